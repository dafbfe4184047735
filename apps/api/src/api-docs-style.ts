/** What Swagger UI looks like here: the answer right below the button, and no controls that have nothing to choose. */
export const API_DOCS_STYLE = `
  .swagger-ui .info { margin: 24px 0 8px }
  .swagger-ui .scheme-container { padding: 0; margin: 0; background: none; box-shadow: none }
  .swagger-ui .btn.authorize.locked span { font-size: 0; padding-right: 12px }
  .swagger-ui .btn.authorize.locked span::after { content: 'Authorized'; font-size: 14px }

  .swagger-ui .responses-inner > div > div { display: flex; flex-direction: column }
  .swagger-ui .responses-inner > div > div > .curl-command { order: 1 }
  .swagger-ui .responses-inner > div > div > .curl-command + div { order: 2 }

  .swagger-ui .response-controls:not(:has(option + option)),
  .swagger-ui .body-param-content-type:not(:has(option + option)),
  .swagger-ui .response-col_links { display: none }

  .swagger-ui .execute-wrapper { padding: 8px 20px 20px }
  .swagger-ui .response-col_status { font-weight: bold }
  @supports (field-sizing: content) {
    .swagger-ui .body-param__text { min-height: 0; field-sizing: content }
  }`;
