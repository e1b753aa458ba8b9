ALTER TABLE public.remediation_proposal DROP CONSTRAINT proposal_state_known;
ALTER TABLE public.remediation_proposal
  ADD CONSTRAINT proposal_state_known CHECK (state::text IN (
    'submitted', 'in_review', 'approved', 'executing', 'succeeded', 'failed', 'stopped', 'rolled_back',
    'unknown', 'rejected', 'returned', 'withdrawn', 'superseded', 'expired', 'refused'));
