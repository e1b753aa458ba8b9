"use strict";

const place = document.getElementById("docs");

SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  // Without this the page asks a foreign host whether the document is valid.
  validatorUrl: null,
  // A page to read: an agent's token has no business in a browser.
  supportedSubmitMethods: [],
});
