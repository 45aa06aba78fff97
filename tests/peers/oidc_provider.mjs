// SPDX-FileCopyrightText: The DEEPaaS developers
// SPDX-License-Identifier: Apache-2.0
//
// A certified provider of OpenID Connect on a free port of this machine, over TLS:
//
//     node oidc_provider.mjs CERTIFICATE KEY
//
// Prints one line of JSON when it serves, and ends when its standard input does. The client
// "robot" gets tokens by client_credentials, for the resource urn:jwt a JWT (at+jwt), for
// urn:opaque one that says nothing; both are for the audience "deepaas". The line has tokens of two
// persons too: introspection tells ada's groups, only userinfo tells those of eve.

import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { Provider } from "oidc-provider";

const [cert, key] = process.argv.slice(2).map((file) => readFileSync(file));
const [client_id, client_secret] = ["robot", "it's a secret"];
const scope = "openid groups";

function server(resource) {
  return {
    scope,
    audience: "deepaas",
    accessTokenTTL: 600,
    accessTokenFormat: resource === "urn:jwt" ? "jwt" : "opaque",
    jwt: { sign: { alg: "ES256" } },
  };
}

function signingKey(type, options, alg) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: "jwk" }), alg, use: "sig", kid: `key-${alg}` };
}

const https = createServer({ cert, key });
https.listen(0, "127.0.0.1", async () => {
  const provider = new Provider(`https://localhost:${https.address().port}`, {
    claims: { openid: ["sub"], groups: ["groups"] },
    clients: [
      {
        client_id,
        client_secret,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
    ],
    extraTokenClaims: (_ctx, token) =>
      token.accountId === "ada" ? { groups: ["testers"] } : undefined,
    cookies: { keys: ["only for tests"] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource) => server(resource),
      },
    },
    findAccount: (_ctx, accountId) => ({
      accountId,
      claims: () => ({ sub: accountId, groups: ["testers"] }),
    }),
    jwks: {
      keys: [
        signingKey("rsa", { modulusLength: 2048 }, "RS256"),
        signingKey("ec", { namedCurve: "P-256" }, "ES256"),
      ],
    },
  });
  https.on("request", provider.callback());

  // What a person gets who signs in with a browser.
  async function tokenOf(accountId, audience) {
    const client = await provider.Client.find(client_id);
    const grant = new provider.Grant({ accountId, clientId: client_id });
    grant.addOIDCScope(scope);
    const grantId = await grant.save();
    const token = new provider.AccessToken({
      accountId,
      client,
      grantId,
      gty: "authorization_code",
      scope,
    });
    token.aud = audience;
    return token.save();
  }

  // Userinfo takes no token that is for somebody else.
  const [ada, eve] = [await tokenOf("ada", "deepaas"), await tokenOf("eve", undefined)];
  const told = { issuer: provider.issuer, client_id, client_secret, ada, eve };
  console.log(JSON.stringify(told));
});
process.stdin.resume().on("end", () => process.exit(0));
