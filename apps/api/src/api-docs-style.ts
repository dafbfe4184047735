/** What Swagger UI looks like here: the answer right below the button, and no controls that have nothing to choose. */
export const API_DOCS_STYLE = `
  .swagger-ui .info { margin: 24px 0 8px }
  .swagger-ui .info :is(.info__license, .info__extdocs) { display: inline-block; margin: 0 16px 0 0 }
  .swagger-ui .scheme-container { padding: 0; margin: 0; background: none; box-shadow: none }
  .swagger-ui .btn.authorize.locked span { font-size: 0; padding-right: 12px }
  .swagger-ui .btn.authorize.locked span::after { content: 'Authorized'; font-size: 14px }

  .swagger-ui .responses-inner > div > div { display: flex; flex-direction: column }
  .swagger-ui .responses-inner > div > div > .curl-command { order: 1 }
  .swagger-ui .responses-inner > div > div > .curl-command + div { order: 2 }

  .swagger-ui .response-controls:not(:has(option + option)),
  .swagger-ui .body-param-content-type:not(:has(option + option)),
  .swagger-ui .response-col_links { display: none }

  .swagger-ui .opblock-section-request-body .opblock-description-wrapper { margin-bottom: 0; padding-bottom: 0 }
  .swagger-ui .execute-wrapper { padding: 0 20px 20px }
  .swagger-ui .response-col_status { font-weight: bold }
  .swagger-ui .response:is([data-code^='4'], [data-code^='5']) .model-example .tab { display: none }
  .swagger-ui .response:is([data-code^='4'], [data-code^='5']) pre { max-height: 8em; overflow: auto }
  @supports (field-sizing: content) {
    .swagger-ui .body-param__text { min-height: 0; field-sizing: content }
  }`;
