// What a person can see of hostile text on this page, and what of it became more than text.
() => {
  const problems = [];
  const say = (what, node) => problems.push(
    `${what}: <${node.tagName.toLowerCase()} class="${node.className.baseVal ?? node.className}"> ` +
    JSON.stringify((node.textContent || "").slice(0, 60)));
  const closed = [...document.querySelectorAll("details:not([open])")];
  // The beginning of a folded text, as it is drawn first: in the window, and what the whole begins with.
  for (const clip of document.querySelectorAll(".clip")) {
    const fold = clip.closest("details");
    const whole = fold.querySelector(":scope > .inert, :scope > figure .inert");
    if (!whole || !whole.textContent.startsWith(clip.textContent.replace(/…$/, ""))) {
      say("folded text begins otherwise", clip);
    }
    if (!clip.checkVisibility()) continue;
    const box = clip.getBoundingClientRect();
    if (box.left < -1 || box.right > document.documentElement.clientWidth + 1) say("folded text outside", clip);
  }
  closed.forEach((one) => { one.open = true; });
  const frames = [...document.querySelectorAll(
    ".inert, .bytes, .whole, .pagehead h1, .reviewhead h1, .sentences li")];

  // Nothing executed: no element, attribute or address that a text made.
  const foreign = "iframe, frame, object, embed, applet, base, meta[http-equiv], portal, fencedframe," +
    " audio, video, source, track, img, picture, math, marquee, template, dialog, frameset, style";
  document.querySelectorAll(foreign).forEach((node) => {
    // The last is Django's: the icon in front of a search field in the admin.
    const ours = 'dialog#keys:not([open]), template[data-words], #changelist-search img[src$="/search.svg"]';
    if (!node.matches(ours)) say("unexpected element", node);
  });
  for (const node of document.querySelectorAll("*")) {
    for (const { name, value } of node.attributes) {
      if (/^on|^(data-)?hx-on|^style$|^srcdoc$|^ping$|^popover|^formaction$/.test(name)) {
        say(`attribute ${name}`, node);
      }
      if (/^(href|src|action|data|xlink:href)$/.test(name) &&
          new URL(value, location.href).origin !== location.origin) {
        say(`address ${value}`, node);
      }
    }
  }
  document.querySelectorAll("script:not([src])").forEach((node) => say("script", node));
  const own = (node) =>
    (node.tagName === "SPAN" && node.attributes.length === 2 && node.className === "cp") ||
    // The portal's own mark over a secret, with its icon.
    node.closest(".masked") ||
    (node.tagName === "A" && node.getAttribute("href").startsWith("/audit/entries/?")) ||
    node.matches(".excerpt mark, .excerpt .cut") ||
    node.matches(".inert");
  for (const frame of frames) {
    for (const node of frame.querySelectorAll("*")) if (!own(node)) say("inside agent text", node);
  }

  // Nothing hidden: drawn, within the window, and what is cut can be scrolled to by keyboard.
  const wide = document.documentElement.clientWidth;
  const known = new Map();
  // Whether the node lies in something that scrolls; what cuts it is said, once.
  const scrolled = (node) => {
    if (!node || node === document.documentElement) return false;
    if (known.has(node)) return known.get(node);
    const style = getComputedStyle(node);
    const overX = node.scrollWidth > node.clientWidth + 1;
    const overY = node.scrollHeight > node.clientHeight + 1;
    if (style.display !== "inline") {
      if (/hidden|clip/.test(style.overflowX) && overX) say("cut at its side", node);
      if (/hidden|clip/.test(style.overflowY) && overY) say("cut below", node);
      if (style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none") {
        say("shortened", node);
      }
    }
    const turns = /auto|scroll/;
    const moves = (turns.test(style.overflowX) && overX) || (turns.test(style.overflowY) && overY);
    if (moves) {
      node.focus();
      const holds = node.querySelector("a[href], button, input, select, textarea, summary");
      if (document.activeElement !== node && !holds) say("no keyboard scrolls it", node);
    }
    const found = scrolled(node.parentElement) || moves;
    known.set(node, found);
    return found;
  };
  for (const frame of frames) {
    if (!frame.textContent.trim()) continue;
    if (!frame.checkVisibility({ opacityProperty: true, visibilityProperty: true })) {
      say("not drawn", frame);
    }
    const box = frame.getBoundingClientRect();
    if (box.width < 1 || box.height < 1) say("no room", frame);
    const within = scrolled(frame);
    if (!within && (box.left < -1 || box.right > wide + 1)) say("outside the window", frame);
    for (const piece of frame.getClientRects()) {
      if (!within && piece.right > wide + 1) { say("a line outside the window", frame); break; }
    }
  }

  // Every character takes room: one that is drawn as nothing would hide what it is.
  const texts = frames.map((frame) => frame.textContent);
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "32px sans-serif";
  const empty = [...new Set(texts.join(""))].filter((one) =>
    !/[\n\t \p{M}]/u.test(one) && pen.measureText(one).width <= 0);
  if (empty.length) {
    problems.push("drawn as nothing: " + empty.map((c) => c.codePointAt(0).toString(16)).join(" "));
  }
  if (document.documentElement.scrollWidth > wide) problems.push("wider than the window");
  closed.forEach((one) => { one.open = false; });
  return { texts, problems: [...new Set(problems)], title: document.title };
}
