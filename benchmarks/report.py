# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""placeholder."""
import json
def markdown(r):
    out=[]
    for w,row in r.cells.items():
        for s,c in row.items():
            out.append(f"{w:14} {s:11} " + (c.problem or " ".join(f"{k}={c.median(k):.2f}" for k in c.values)))
    return "\n".join(out)
