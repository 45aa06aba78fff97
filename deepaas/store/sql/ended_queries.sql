-- SPDX-FileCopyrightText: The DEEPaaS developers
-- SPDX-License-Identifier: Apache-2.0

-- Every statement about the jobs that have ended and may be removed; see queries.sql.

-- name: ended_totals
-- Without the promoted ones, of which there are few.
SELECT t.model, t.kind, t.jobs - count(j.id) AS jobs,
    t.disk_bytes - coalesce(sum(j.disk_bytes), 0) AS disk_bytes
FROM ended_totals AS t
LEFT JOIN jobs AS j
    ON j.id IN (SELECT job FROM promoted_jobs)
    AND j.model = t.model AND j.kind = t.kind AND j.finished IS NOT NULL
WHERE t.model = :model
GROUP BY t.model, t.kind;

-- name: oldest_ended
SELECT id, model, kind, finished, disk_bytes FROM jobs INDEXED BY jobs_ended
WHERE model = :model AND kind = :kind AND finished < :before
    AND id NOT IN (SELECT job FROM promoted_jobs)
    AND id NOT IN (SELECT value FROM json_each(:excluded))
ORDER BY finished, id
LIMIT :limit;

-- name: unmeasured_jobs
SELECT id FROM jobs INDEXED BY jobs_unmeasured
WHERE model = :model AND finished IS NOT NULL AND disk_bytes IS NULL
LIMIT :limit;

-- name: note_disk_bytes
UPDATE jobs SET disk_bytes = :bytes WHERE id = :id;
