DO $$
DECLARE t text; g text;
BEGIN
  FOREACH t IN ARRAY ARRAY['liverequest', 'liveobservation', 'secretcheck', 'outcomequestion',
                          'outcomeanswer'] LOOP
    FOREACH g IN ARRAY ARRAY['guard', 'a_fact', 'append_only'] LOOP
      EXECUTE format('DROP TRIGGER %I ON public.%I', g, 'remediation_' || t);
    END LOOP;
  END LOOP;
END $$;
ALTER TABLE public.remediation_secretcheck DROP CONSTRAINT secret_bounded;
ALTER TABLE public.remediation_liveobservation DROP CONSTRAINT live_bounded;
DROP FUNCTION remediation.outcome_answer_v1();
DROP FUNCTION remediation.outcome_question_v1();
DROP FUNCTION remediation.live_answer_v1();
DROP FUNCTION remediation.live_request_v1();
