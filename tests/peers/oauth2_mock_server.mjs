// SPDX-FileCopyrightText: The DEEPaaS developers
// SPDX-License-Identifier: Apache-2.0
//
// An issuer of tokens on a free port of this machine, over TLS:
//
//     node oauth2_mock_server.mjs CERTIFICATE KEY
//
// Prints one line of JSON when it serves, and ends when its standard input does. The field
// "claims" of a request for a token, a JSON object, changes what it signs. A line on its standard
// input makes a new key, whose id it prints; all keys take turns.

import { createInterface } from "node:readline";
import { OAuth2Server } from "oauth2-mock-server";

const [cert, key] = process.argv.slice(2);
const server = new OAuth2Server(key, cert);
await server.issuer.keys.generate("RS256");

server.service.on("beforeTokenSigning", (token, request) => {
  Object.assign(token.payload, JSON.parse(request.body.claims ?? "{}"));
});
await server.start(0, "localhost");
console.log(JSON.stringify({ issuer: server.issuer.url }));

for await (const _line of createInterface({ input: process.stdin })) {
  const { kid } = await server.issuer.keys.generate("ES256");
  console.log(JSON.stringify({ kid }));
}
process.exit(0);
