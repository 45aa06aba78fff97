-- SPDX-FileCopyrightText: The DEEPaaS developers
-- SPDX-License-Identifier: Apache-2.0

-- What the directory of a job that has ended takes on the disk; NULL until it is measured.
ALTER TABLE jobs ADD COLUMN disk_bytes INTEGER;

-- Which ended jobs are the oldest is answered from this index alone. A job has "finished" exactly
-- if its state is a final one.
CREATE INDEX jobs_ended ON jobs (model, kind, finished, id, disk_bytes)
WHERE finished IS NOT NULL;
CREATE INDEX jobs_unmeasured ON jobs (model, id)
WHERE finished IS NOT NULL AND disk_bytes IS NULL;

-- How many jobs of a model and a kind have ended, and what those take that were measured: adding up 100,000
-- rows takes too long.
CREATE TABLE ended_totals (
    model TEXT NOT NULL,
    kind TEXT NOT NULL,
    jobs INTEGER NOT NULL,
    disk_bytes INTEGER NOT NULL,
    PRIMARY KEY (model, kind)
) WITHOUT ROWID;

INSERT INTO ended_totals
SELECT model, kind, count(*), 0 FROM jobs WHERE finished IS NOT NULL GROUP BY model, kind;

CREATE TRIGGER job_ends AFTER UPDATE OF finished ON jobs
WHEN OLD.finished IS NULL AND NEW.finished IS NOT NULL BEGIN
    INSERT OR IGNORE INTO ended_totals VALUES (NEW.model, NEW.kind, 0, 0);
    UPDATE ended_totals
    SET jobs = jobs + 1, disk_bytes = disk_bytes + coalesce(NEW.disk_bytes, 0)
    WHERE model = NEW.model AND kind = NEW.kind;
END;

CREATE TRIGGER ended_job_is_measured AFTER UPDATE OF disk_bytes ON jobs
WHEN NEW.finished IS NOT NULL BEGIN
    UPDATE ended_totals
    SET disk_bytes = disk_bytes + coalesce(NEW.disk_bytes, 0) - coalesce(OLD.disk_bytes, 0)
    WHERE model = NEW.model AND kind = NEW.kind;
END;

CREATE TRIGGER ended_job_goes AFTER DELETE ON jobs
WHEN OLD.finished IS NOT NULL BEGIN
    UPDATE ended_totals
    SET jobs = jobs - 1, disk_bytes = disk_bytes - coalesce(OLD.disk_bytes, 0)
    WHERE model = OLD.model AND kind = OLD.kind;
END;

-- The jobs whose artifacts were ever served, or are a candidate: they are kept.
CREATE VIEW promoted_jobs AS
SELECT v.job FROM versions AS v
WHERE v.served IS NOT NULL
    OR EXISTS (
        SELECT 1 FROM version_candidates AS c WHERE c.model = v.model AND c.number = v.number
    );
