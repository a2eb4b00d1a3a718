-- Two indexes that each run has written pages of, and that nothing needs.

-- There are no more locks than what runs under way hold.
DROP INDEX run_lock_by_run;
-- A run has one event, whose entries are few.
DROP INDEX audit_by_run;
