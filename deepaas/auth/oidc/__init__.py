# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Tokens of OpenID Connect: whose a token is that a trusted issuer made.

Imported only where an issuer is trusted: what checks signatures is slow to import.
"""

from deepaas.auth.oidc.opening import open_token_source
from deepaas.auth.oidc.source import OidcTokens

__all__ = ["OidcTokens", "open_token_source"]
