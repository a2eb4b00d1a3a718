-- The same indexes of events, cheaper to write: a list of states would become a table of its own with each row that is
-- written, and the number of a row is in each index anyway.

DROP INDEX event_open;
DROP INDEX event_over;
DROP INDEX event_by_device;
DROP INDEX event_waiting;
DROP INDEX event_for_people;

-- One open event for each device, code and object: the database itself keeps duplicates out.
CREATE UNIQUE INDEX event_open ON event (fp)
    WHERE state = 'new' OR state = 'held' OR state = 'awaiting_approval' OR state = 'queued'
        OR state = 'running' OR state = 'verifying';
-- A row is in one of these two alone, so that a storm of new faults writes few pages.
CREATE INDEX event_over ON event (fp)
    WHERE state <> 'new' AND state <> 'held' AND state <> 'awaiting_approval' AND state <> 'queued'
        AND state <> 'running' AND state <> 'verifying';
CREATE INDEX event_by_device ON event (device);
CREATE INDEX event_waiting ON event (not_before) WHERE state = 'new' OR state = 'held';
-- What people must see to is looked for every two seconds: the condition is that of the question, to the letter.
CREATE INDEX event_for_people ON event (id)
    WHERE state = 'awaiting_approval' OR state = 'failure' OR state = 'timed_out' OR state = 'unknown'
        OR state = 'escalated';
