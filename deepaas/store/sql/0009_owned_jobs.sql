-- SPDX-FileCopyrightText: The DEEPaaS developers
-- SPDX-License-Identifier: Apache-2.0

-- The lanes again, of each owner: who sees their own jobs only, among 100,000 of others, reads no
-- other row. Jobs without an owner are listed to nobody who is told apart.
CREATE INDEX jobs_of_owners
ON jobs (owner, model, kind, state, (hidden_at IS NOT NULL), created, id)
WHERE owner IS NOT NULL;
