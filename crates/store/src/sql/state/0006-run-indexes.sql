-- What each run asks for before it begins is answered by indexes alone: otherwise each one looks at all of the day.

-- Successes of a remediation that did not hold; there are few.
CREATE INDEX run_came_back ON run (remediation, started) WHERE came_back = 1;
-- Which devices were worked on within an hour.
DROP INDEX run_by_start;
CREATE INDEX run_by_start ON run (started, device);
