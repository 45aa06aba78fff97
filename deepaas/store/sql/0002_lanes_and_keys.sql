-- SPDX-FileCopyrightText: The DEEPaaS developers
-- SPDX-License-Identifier: Apache-2.0

-- A lane holds the jobs that agree in all that a list may be filtered by. A list is the merge of a
-- few lanes, each read in order from its first job on, so that no filter, however rare what it
-- lets through, makes a list read jobs that it does not show.
CREATE INDEX jobs_in_lanes ON jobs (model, kind, state, (hidden_at IS NOT NULL), created, id);
DROP INDEX jobs_by_created;
DROP INDEX jobs_by_model;

-- Which lanes there are, and how many jobs are in each: counting 100,000 rows takes too long.
CREATE TABLE job_lanes (
    model TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    is_hidden INTEGER NOT NULL,
    jobs INTEGER NOT NULL,
    PRIMARY KEY (model, kind, state, is_hidden)
) WITHOUT ROWID;

INSERT INTO job_lanes
SELECT model, kind, state, hidden_at IS NOT NULL, count(*) FROM jobs
GROUP BY model, kind, state, hidden_at IS NOT NULL;

CREATE TRIGGER job_enters_lane AFTER INSERT ON jobs BEGIN
    INSERT OR IGNORE INTO job_lanes
    VALUES (NEW.model, NEW.kind, NEW.state, NEW.hidden_at IS NOT NULL, 0);
    UPDATE job_lanes SET jobs = jobs + 1
    WHERE model = NEW.model AND kind = NEW.kind AND state = NEW.state
        AND is_hidden = (NEW.hidden_at IS NOT NULL);
END;

CREATE TRIGGER job_leaves_lane AFTER DELETE ON jobs BEGIN
    UPDATE job_lanes SET jobs = jobs - 1
    WHERE model = OLD.model AND kind = OLD.kind AND state = OLD.state
        AND is_hidden = (OLD.hidden_at IS NOT NULL);
END;

CREATE TRIGGER job_changes_lane AFTER UPDATE OF state, hidden_at ON jobs BEGIN
    UPDATE job_lanes SET jobs = jobs - 1
    WHERE model = OLD.model AND kind = OLD.kind AND state = OLD.state
        AND is_hidden = (OLD.hidden_at IS NOT NULL);
    INSERT OR IGNORE INTO job_lanes
    VALUES (NEW.model, NEW.kind, NEW.state, NEW.hidden_at IS NOT NULL, 0);
    UPDATE job_lanes SET jobs = jobs + 1
    WHERE model = NEW.model AND kind = NEW.kind AND state = NEW.state
        AND is_hidden = (NEW.hidden_at IS NOT NULL);
END;

-- The keys that clients gave their requests (header Idempotency-Key); one goes with its job. An
-- anonymous client's are kept under the empty owner.
CREATE TABLE idempotency_keys (
    owner TEXT NOT NULL,
    model TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    job TEXT NOT NULL,
    PRIMARY KEY (owner, model, kind, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_job ON idempotency_keys (job);
