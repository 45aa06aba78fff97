// SPDX-FileCopyrightText: The DEEPaaS developers
// SPDX-License-Identifier: Apache-2.0
"use strict";

const root = document.getElementById("swagger-ui");

const form = document.getElementById("sign-in");
const hint = document.getElementById("sign-in-hint");

// Kept in this variable only: whoever comes to this browser next finds no key in it.
let key = "";

// Sent to this service and to nobody else; what the dialog "Authorize" has set comes first.
function signIn(request) {
  const address = new URL(request.url, document.baseURI);
  const names = Object.keys(request.headers ?? {}).map((name) => name.toLowerCase());
  const isSignedIn = names.includes("authorization") || names.includes("x-api-key");
  if (key && address.origin === location.origin && !isSignedIn) {
    request.headers = { ...request.headers, Authorization: `Bearer ${key}` };
  }
  return request;
}

// The document is not for everybody: ask for a key and fetch it again.
function noteRefusal(response) {
  const address = new URL(response.url, document.baseURI);
  if (address.pathname === new URL(root.dataset.document, document.baseURI).pathname) {
    const isRefused = response.status === 401 || response.status === 403;
    form.hidden = !isRefused;
    if (isRefused) {
      hint.textContent = key ? "This key or token does not allow it." : "";
    }
  }
  return response;
}

const ui = SwaggerUIBundle({
  domNode: root,
  url: root.dataset.document,
  deepLinking: true,
  // No badge: it would send the document to a service elsewhere.
  validatorUrl: "none",
  // Settings come from here, not from whoever made the link to this page.
  queryConfigEnabled: false,
  requestInterceptor: signIn,
  responseInterceptor: noteRefusal,
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  key = form.elements.key.value.trim();
  form.elements.key.value = "";
  ui.specActions.download(root.dataset.document);
});
