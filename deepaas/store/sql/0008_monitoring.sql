-- SPDX-FileCopyrightText: The DEEPaaS developers
-- SPDX-License-Identifier: Apache-2.0

-- What was seen of each model over time. A row is a minute or an hour ("step", in seconds) that begins
-- at "time", in seconds since 1970; the servers on one store add to the same rows. Maps are JSON.
CREATE TABLE monitoring (
    model TEXT NOT NULL,
    step INTEGER NOT NULL,
    time INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    ready INTEGER NOT NULL,
    requests TEXT NOT NULL,
    latencies TEXT NOT NULL,
    latency_sum REAL NOT NULL,
    jobs TEXT NOT NULL,
    PRIMARY KEY (model, step, time)
) WITHOUT ROWID;
