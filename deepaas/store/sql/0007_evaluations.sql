-- SPDX-FileCopyrightText: The DEEPaaS developers
-- SPDX-License-Identifier: Apache-2.0

-- Which version of its model an evaluation is of; NULL for jobs of other kinds.
ALTER TABLE jobs ADD COLUMN version INTEGER;

-- The newest evaluation of each version, and whether one is under way, are answered from this alone.
CREATE INDEX evaluations ON jobs (model, state, version, finished, id) WHERE kind = 'evaluate';
