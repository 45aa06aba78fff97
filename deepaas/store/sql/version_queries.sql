-- SPDX-FileCopyrightText: The DEEPaaS developers
-- SPDX-License-Identifier: Apache-2.0

-- Every statement that the store of versions runs; see queries.sql.

-- name: add_version
-- Changes no row where the job has a version already.
INSERT OR IGNORE INTO versions (model, number, job, promoted, promoted_by)
SELECT :model, coalesce(max(number), 0) + 1, :job, :now, :by FROM versions WHERE model = :model;

-- name: version_of_job
SELECT * FROM versions WHERE job = :job;

-- name: get_version
SELECT * FROM versions WHERE model = :model AND number = :number;

-- name: list_versions
SELECT * FROM versions WHERE model = :model ORDER BY number DESC;

-- name: get_choice
SELECT c.model, c.number, v.job, c.previous, c.serial
FROM version_choices AS c
LEFT JOIN versions AS v ON v.model = c.model AND v.number = c.number
WHERE c.model = :model;

-- name: list_choices
SELECT c.model, c.number, v.job, c.previous, c.serial
FROM version_choices AS c
LEFT JOIN versions AS v ON v.model = c.model AND v.number = c.number;

-- name: get_candidate
SELECT * FROM version_candidates WHERE model = :model;

-- name: list_candidates
SELECT * FROM version_candidates;

-- name: add_candidate
-- Changes no row where the model has a candidate.
INSERT OR IGNORE INTO version_candidates (model, number, server) VALUES (:model, :number, :server);

-- name: remove_candidate
DELETE FROM version_candidates WHERE model = :model AND server = :server;

-- name: add_choice
-- Changes no row where the model has one.
INSERT OR IGNORE INTO version_choices (model, number, previous, serial) VALUES (:model, 0, 0, 0);

-- name: choose_version
UPDATE version_choices
SET previous = number, number = :number, serial = serial + 1
WHERE model = :model;

-- name: note_served
UPDATE versions
SET served = coalesce(served, :now), reason = NULL
WHERE model = :model AND number = :number;

-- name: note_reason
UPDATE versions SET reason = :reason WHERE model = :model AND number = :number;

-- name: is_promoted
SELECT 1 FROM promoted_jobs WHERE job = :job;
