"""Phrases that address the reader, in lower case and without accents.

They are searched in agents' texts and in evidence, where no honest author addresses a reviewer.
A phrase is listed if it makes no sense as a name or description of a thing.
"""

from __future__ import annotations

import re

# Texts without any of these are skipped, because evidence is large.
HINTS = (
    "ignor", "disregard", "forget", "overrid", "bypass", "instruct", "approv", "you ", "assistant",
    "reviewer", "analyst", "model", "system", "dear ", "note ", "message", "attention", "hello",
    "hey", "false positive", "benign",
    "do not", "don't", "escalate", "close this", "respond", "reply", "output", "trust ", "need",
    "anweisung", "genehmig", "frei", "instrucc", "istruzioni", "instrucoes", "instructies",
    "polecenia", "instrukcje", "инструкц", "указани", "指令", "指示", "命令", "im_start", "inst]",
)  # fmt: skip

_WHO = (
    r"(?:ai|llm|llms|language model|ai model|assistant|chatbot|copilot|reviewer|reviewers|approver|"
    r"approvers|analyst|ai agent|triage agent|soc team|chatgpt|gpt|claude|gemini)"
)
_OLD = r"(?:previous|prior|above|earlier|preceding|foregoing|existing|former|original|initial|past)"
_ORDERS = (
    r"(?:instructions?|prompts?|directions?|directives?|guidelines?|commands?|orders?|messages?|"
    r"context|policies|rules)"
)


def _words(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rf"\b(?:{pattern})\b") for pattern in patterns)


# Markers of a conversation with a model, in the unchanged text.
MARKERS = (
    re.compile(r"<\|(?:im_start|im_end|system|user|assistant|endoftext)\|>"),
    re.compile(r"\[/?inst\]|<</?sys>>"),
    re.compile(r"(?:^|\n)\s*#{2,}\s*(?:system|instructions?|assistant)\s*:?\s*(?:\n|$)"),
    re.compile(r"</?(?:system|instructions?|assistant)(?:_prompt)?>"),
    re.compile(r"(?:^|\n)\s*(?:system|assistant)\s*:\s+(?:you|ignore|approve|the)\b"),
    re.compile(r"(?:忽略|无视|忘记).{0,12}(?:指令|指示|说明|命令)"),
    re.compile(r"(?:以前|これまで|上記|前).{0,6}(?:指示|命令).{0,8}(?:無視|忘れ)"),
)

# Matched across spaces, dashes, dots and underscores.
WORDED = _words(
    rf"(?:ignore|disregard|forget|override|bypass|discard) (?:\w+ ){{0,3}}{_OLD} (?:\w+ )?"
    rf"{_ORDERS}",
    rf"(?:ignore|disregard|forget|override) (?:all |any )?(?:your|the system) (?:\w+ )?{_ORDERS}",
    r"ignorier(?:e|en|t)? (?:sie )?(?:\w+ ){0,2}(?:vorherigen|bisherigen|obigen|fruheren|vorigen) "
    r"(?:anweisungen|instruktionen|befehle|regeln|vorgaben)",
    r"ignorez? (?:\w+ ){0,3}(?:instructions|consignes) (?:precedentes|anterieures|ci dessus)",
    r"ignor(?:a|e|ar|en) (?:\w+ ){0,3}(?:instrucciones|indicaciones|ordenes) "
    r"(?:anteriores|previas)",
    r"ignora (?:\w+ ){0,3}istruzioni (?:precedenti|precedente)",
    r"ignor(?:e|a|ar) (?:\w+ ){0,3}instrucoes anteriores",
    r"negeer (?:\w+ ){0,2}(?:vorige|eerdere|voorgaande) (?:instructies|opdrachten)",
    r"zignoruj (?:\w+ ){0,2}(?:poprzednie|wczesniejsze) (?:instrukcje|polecenia)",
    r"(?:игнорируи|игнорируите|проигнорируи|забудь) (?:\w+ ){0,2}"
    r"(?:предыдущие|прежние|все) (?:\w+ )?(?:инструкции|указания)",
)

# Dashes and underscores are kept here, so that names do not match.
ANYWHERE = _words(
    rf"you are (?:now |actually )?(?:a |an |the |my )?(?:\w+ ){{0,3}}{_WHO}",
    rf"(?:dear|note to|note for|message to|message for|attention|hello|hey|instructions? to|"
    rf"instructions? for) (?:the |any |all |our )?(?:\w+ ){{0,2}}{_WHO}",
    rf"{_WHO} (?:please |should |must |can safely |shall )?(?:approve|ignore|dismiss|disregard)"
    r" (?:this|the|it|all|any)",
    r"(?:mark|classify|treat|label|rate|report|consider) (?:this|it|these|the \w+)(?: \w+){0,3} as "
    r"(?:a |an )?(?:\w+ )?(?:benign|safe|harmless|false positive|false alarm|resolved|legitimate|"
    r"approved|authori[sz]ed|low risk|expected)",
    r"(?:do not|don t|dont|never) (?:alert|notify|report|escalate|flag|investigate)"
    r"(?: (?:on|to))? (?:this|it|anyone|anybody|the \w+|any \w+)",
    r"approve (?:this |the |it |my )?(?:request |proposal |plan |incident |action |change |"
    r"remediation )?(?:now|immediately|at once|right away|without (?:review|delay|further))",
    r"(?:close|dismiss|reject) this (?:incident|alert|case|finding|proposal)",
    r"(?:close|dismiss|reject) the (?:incident|alert|case|finding|proposal) (?:now|immediately|as)",
    r"(?:respond|reply|answer) (?:only |just )?with",
    r"as (?:an ai|a language model|an llm)",
    r"(?:reveal|print|show|repeat|output|leak) (?:your |the )?system prompt",
    r"(?:gib|geben sie) (?:den|die|das|diesen|dieses|diese) \w+ (?:sofort )?frei",
    r"genehmig(?:e|en sie) (?:dies\w*|den|die|das)",
    r"approuvez? (?:cette|ce|la|le|immediatement)",
    r"aprueb[ae] (?:esta|este|la|el|inmediatamente)",
)

# Only in agents' texts, which should say what happened and why, and not plead.
AGENT = _words(
    r"(?:please|kindly) (?:just )?(?:approve|confirm|accept|sign|authori[sz]e|click)",
    r"(?:you|reviewers?|approvers?) (?:should|must|can safely|may safely|need to|have to) "
    r"(?:just )?(?:approve|accept|sign|trust|click|confirm)",
    r"(?:already|previously|pre)[ -]?(?:been )?(?:approved|authori[sz]ed|signed off)",
    r"(?:has|have|was|were) (?:already )?(?:been )?approved by",
    r"(?:there is |there s )?no need (?:to|for) (?:\w+ ){0,2}(?:look|check|review|verify|read|open|"
    r"inspect|second)",
    r"(?:no|without) (?:further |second |human |additional )?(?:review|approval|check) (?:is )?"
    r"(?:needed|required|necessary)",
    r"trust (?:me|this|us)",
    r"you can safely",
    r"just (?:approve|sign|click)",
)
