-- SPDX-FileCopyrightText: The DEEPaaS developers
-- SPDX-License-Identifier: Apache-2.0

-- Every statement about what was seen of models over time; see queries.sql.

-- name: get_seen
SELECT * FROM monitoring WHERE model = :model AND step = :step AND time = :time;

-- name: put_seen
INSERT OR REPLACE INTO monitoring
    (model, step, time, samples, ready, requests, latencies, latency_sum, jobs)
VALUES
    (:model, :step, :time, :samples, :ready, :requests, :latencies, :latency_sum, :jobs);

-- name: forget_seen
-- What is too old, and what a clock that was put back has left in the future.
DELETE FROM monitoring
WHERE model = :model AND step = :step AND (time < :oldest OR time > :newest);

-- name: list_seen
-- The newest of the range.
SELECT * FROM monitoring
WHERE model = :model AND step = :step AND time >= :since AND time < :until
ORDER BY time DESC
LIMIT :limit;
