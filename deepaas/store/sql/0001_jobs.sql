-- SPDX-FileCopyrightText: The DEEPaaS developers
-- SPDX-License-Identifier: Apache-2.0

-- The jobs. Times are ISO 8601 text in UTC, always with microseconds and "+00:00", so that they
-- sort as text. The fields mean what deepaas.records.Job says.
CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('queued', 'running', 'done', 'error', 'cancelled', 'interrupted')),
    created TEXT NOT NULL,
    arguments TEXT NOT NULL,
    owner TEXT,
    started TEXT,
    finished TEXT,
    message TEXT,
    result TEXT,
    attempt INTEGER NOT NULL,
    server TEXT,
    hidden_at TEXT
);

-- Listing reads one of these two in order. The columns after "id" are what a list may be filtered
-- by: a row that does not match is passed over without reading it, so a rare state is found among
-- 100,000 jobs in milliseconds.
CREATE INDEX jobs_by_created ON jobs (created, id, state, kind, hidden_at);
CREATE INDEX jobs_by_model ON jobs (model, created, id, state, kind, hidden_at);

-- The queue, the running jobs and the counts are answered from this one alone.
CREATE INDEX jobs_by_state ON jobs (state, created, id, model);

-- Holds one row while JobStore.check writes, none otherwise.
CREATE TABLE store_check (
    id INTEGER NOT NULL PRIMARY KEY,
    padding BLOB NOT NULL
);
