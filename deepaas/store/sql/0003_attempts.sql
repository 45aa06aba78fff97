-- SPDX-FileCopyrightText: The DEEPaaS developers
-- SPDX-License-Identifier: Apache-2.0

-- What a job needs to be tried again. Jobs of older versions are never: their models had not said
-- that they can go on.
ALTER TABLE jobs ADD COLUMN resumable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN not_before TEXT;

-- Which job is next is answered from this index alone, also where others wait or are of other kinds.
DROP INDEX jobs_by_state;
CREATE INDEX jobs_by_state ON jobs (state, created, id, model, kind, not_before);
