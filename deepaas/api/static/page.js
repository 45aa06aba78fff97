// SPDX-FileCopyrightText: The DEEPaaS developers
// SPDX-License-Identifier: Apache-2.0
"use strict";

const root = document.getElementById("swagger-ui");

SwaggerUIBundle({
  domNode: root,
  url: root.dataset.document,
  deepLinking: true,
  // No badge: it would send the document to a service elsewhere.
  validatorUrl: "none",
  // Settings come from here, not from whoever made the link to this page.
  queryConfigEnabled: false,
});
