-- SPDX-FileCopyrightText: The DEEPaaS developers
-- SPDX-License-Identifier: Apache-2.0

-- The versions of the models. Version 0, the package as installed, has no row. "served" is when it
-- was first served, and NULL while it never was; "reason" is why it last could not be.
CREATE TABLE versions (
    model TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number > 0),
    job TEXT NOT NULL UNIQUE,
    promoted TEXT NOT NULL,
    promoted_by TEXT,
    served TEXT,
    reason TEXT,
    PRIMARY KEY (model, number)
) WITHOUT ROWID;

-- What is to be served, in one row for each model, so that a change of it is whole. A model without
-- a row serves version 0, and always has.
CREATE TABLE version_choices (
    model TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    serial INTEGER NOT NULL
) WITHOUT ROWID;

-- What a server is about to serve; at most one version of each model.
CREATE TABLE version_candidates (
    model TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    server TEXT NOT NULL
) WITHOUT ROWID;
