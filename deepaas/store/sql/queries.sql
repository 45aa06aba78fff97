-- SPDX-FileCopyrightText: The DEEPaaS developers
-- SPDX-License-Identifier: Apache-2.0

-- Every statement that the job store runs. deepaas.store.queries cuts this file at the name lines.
-- A list travels as one JSON parameter. RETURNING is avoided: it needs SQLite 3.35, and enterprise
-- distributions with a current Python still ship 3.34.

-- name: add_job
-- Changes no row where the id is known.
INSERT OR IGNORE INTO jobs (
    id, kind, model, state, created, arguments, owner, started, finished, message, result,
    attempt, server, hidden_at, resumable, retries, not_before, version
) VALUES (
    :id, :kind, :model, :state, :created, :arguments, :owner, :started, :finished, :message, :result,
    :attempt, :server, :hidden_at, :resumable, :retries, :not_before, :version
);

-- name: get_job
SELECT * FROM jobs WHERE id = :id;

-- name: get_job_in_list
-- Without the result, which may be large and is not shown.
SELECT id, kind, model, state, created, arguments, owner, started, finished, message,
    NULL AS result, attempt, server, hidden_at, resumable, retries, not_before, version
FROM jobs WHERE id = :id;

-- name: job_lanes
SELECT model, kind, state, is_hidden, jobs FROM job_lanes
WHERE jobs > 0
    AND (:model IS NULL OR model = :model)
    AND (:kind IS NULL OR kind = :kind)
    AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
    AND (:include_hidden OR NOT is_hidden);

-- name: newest_in_lane
-- The index is named because the planner, which has no statistics, may sort all rows of a state.
SELECT created, id FROM jobs INDEXED BY jobs_in_lanes
WHERE model = :model AND kind = :kind AND state = :state AND (hidden_at IS NOT NULL) = :is_hidden
    AND (created, id) < (:after_created, :after_id)
ORDER BY created DESC, id DESC
LIMIT :limit;

-- name: oldest_in_lane
SELECT created, id FROM jobs INDEXED BY jobs_in_lanes
WHERE model = :model AND kind = :kind AND state = :state AND (hidden_at IS NOT NULL) = :is_hidden
    AND (created, id) > (:after_created, :after_id)
ORDER BY created, id
LIMIT :limit;

-- name: newest_in_lane_of_owner
SELECT created, id FROM jobs INDEXED BY jobs_of_owners
WHERE owner = :owner
    AND model = :model AND kind = :kind AND state = :state AND (hidden_at IS NOT NULL) = :is_hidden
    AND (created, id) < (:after_created, :after_id)
ORDER BY created DESC, id DESC
LIMIT :limit;

-- name: oldest_in_lane_of_owner
SELECT created, id FROM jobs INDEXED BY jobs_of_owners
WHERE owner = :owner
    AND model = :model AND kind = :kind AND state = :state AND (hidden_at IS NOT NULL) = :is_hidden
    AND (created, id) > (:after_created, :after_id)
ORDER BY created, id
LIMIT :limit;

-- name: next_queued_job
-- The first of each lane, then of those: of models that are not asked for, no job is read. The
-- plus takes the column's affinity away, with which the index would serve no order.
-- A time to wait for that lies too far ahead was set before the clock was put back.
SELECT * FROM jobs
WHERE id IN (
        SELECT (
            SELECT id FROM jobs AS waiting INDEXED BY jobs_in_lanes
            WHERE waiting.model = lane.model AND waiting.kind = lane.kind
                AND waiting.state = lane.state
                AND (waiting.hidden_at IS NOT NULL) = +lane.is_hidden
                AND (not_before IS NULL OR not_before <= :now OR not_before > :latest)
            ORDER BY created, id
            LIMIT 1
        )
        FROM job_lanes AS lane
        WHERE state = 'queued' AND jobs > 0
            AND model IN (SELECT value FROM json_each(:models))
            AND kind IN (SELECT value FROM json_each(:kinds))
    )
    AND :slots > (
        SELECT count(*) FROM jobs
        WHERE state = 'running'
            AND model IN (SELECT value FROM json_each(:models))
            AND kind IN (SELECT value FROM json_each(:kinds))
    )
ORDER BY created, id
LIMIT 1;

-- name: claim_job
-- Looks and changes in one statement, so that no two servers take one job or the last slot.
UPDATE jobs
SET state = 'running', started = :now, server = :server
WHERE id = :id
    AND state = 'queued'
    AND model IN (SELECT value FROM json_each(:models))
    AND kind IN (SELECT value FROM json_each(:kinds))
    AND (not_before IS NULL OR not_before <= :now OR not_before > :latest)
    AND :slots > (
        SELECT count(*) FROM jobs
        WHERE state = 'running'
            AND model IN (SELECT value FROM json_each(:models))
            AND kind IN (SELECT value FROM json_each(:kinds))
    );

-- name: unclaim_job
-- "created" stays, so the job is first in the queue again.
UPDATE jobs
SET state = 'queued', started = NULL, server = NULL, attempt = attempt + 1,
    not_before = :not_before, message = :message
WHERE id = :id AND state = 'running' AND server = :server;

-- name: adopt_job
-- IS, because a running job without a server can be adopted too.
UPDATE jobs
SET server = :server
WHERE id = :id AND state = 'running' AND server IS :old_server;

-- name: finish_job
-- The first final state wins: a job that has ended is not matched.
UPDATE jobs
SET state = :state, finished = :finished, message = :message, result = :result
WHERE id = :id AND state IN ('queued', 'running');

-- name: hide_job
UPDATE jobs
SET hidden_at = :now
WHERE id = :id AND hidden_at IS NULL;

-- name: running_jobs
SELECT * FROM jobs INDEXED BY jobs_by_state
WHERE state = 'running'
ORDER BY created, id;

-- name: remove_job
DELETE FROM jobs
WHERE id = :id AND state NOT IN ('queued', 'running');

-- name: latest_evaluations
-- SQLite takes the id from the row that has the maximum.
SELECT id, max(finished) FROM jobs INDEXED BY evaluations
WHERE kind = 'evaluate' AND model = :model AND state = 'done'
GROUP BY version
ORDER BY version;

-- name: is_evaluating
SELECT 1 FROM jobs INDEXED BY evaluations
WHERE kind = 'evaluate' AND model = :model AND state IN ('queued', 'running') AND version = :version
LIMIT 1;

-- name: keep_key
INSERT INTO idempotency_keys (owner, model, kind, key, fingerprint, job)
VALUES (:owner, :model, :kind, :key, :fingerprint, :job);

-- name: find_key
SELECT fingerprint, job FROM idempotency_keys
WHERE owner = :owner AND model = :model AND kind = :kind AND key = :key;

-- name: remove_keys
DELETE FROM idempotency_keys WHERE job = :id;

-- name: write_check
-- Takes pages that the next job could need. A server killed before it removed them left the row.
INSERT OR REPLACE INTO store_check (id, padding) VALUES (1, zeroblob(65536));

-- name: remove_check
DELETE FROM store_check;
