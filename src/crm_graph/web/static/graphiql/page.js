"use strict";

// The token and all that GraphiQL remembers live in sessionStorage: nothing outlives the tab, nothing goes into the URL.
(() => {
  const TOKEN = "crm-graph:token";
  const STATES = {
    none: "Paste a token to see your schema. 请粘贴令牌以查看模式。",
    kept: "Kept until this tab is closed. 关闭此标签页后即清除。",
    trusted: "Only trusted documents are answered here, so the schema is not shown. 此处仅执行已登记的文档，不提供模式。",
    refused: "Refused or expired: get a new one. 令牌无效或已过期，请重新获取。",
  };
  const ACCEPT = "application/graphql-response+json, application/json";

  const form = document.getElementById("access");
  const field = document.getElementById("token");
  const state = document.getElementById("state");
  const root = ReactDOM.createRoot(document.getElementById("graphiql"));
  const defaultQuery = document.getElementById("default-query").content.textContent;
  const url = location.origin + location.pathname;
  let current = null;

  function tell(name) {
    state.textContent = STATES[name];
    state.dataset.state = name;
  }

  async function send(token, input, init) {
    const response = await fetch(input, { ...init, credentials: "omit", cache: "no-store" });
    const state = await stateAfter(response);
    if (token === current) {
      tell(state);
    }
    return response;
  }

  async function stateAfter(response) {
    if (response.status === 401) {
      return "refused";
    }
    if (response.status === 400) {
      const body = await response.clone().json();
      return body.errors[0].extensions.code === "DOCUMENT_NOT_TRUSTED" ? "trusted" : "kept";
    }
    return "kept";
  }

  // A new fetcher makes GraphiQL ask for the schema again; without a token it asks for nothing.
  function render(token) {
    const fetcher = GraphiQL.createFetcher({
      url,
      enableIncrementalDelivery: false,
      headers: token ? { Accept: ACCEPT, Authorization: `Bearer ${token}` } : { Accept: ACCEPT },
      fetch: (input, init) => send(token, input, init),
    });
    const options = { fetcher, defaultQuery, storage: sessionStorage, shouldPersistHeaders: false };
    root.render(React.createElement(GraphiQL, token ? options : { ...options, schema: null }));
  }

  function use(pasted) {
    const token = pasted.replace(/^\s*bearer\s+/i, "").replace(/\s+/g, "");
    if (token === current) {
      return;
    }
    current = token;
    field.value = token;
    if (token) {
      sessionStorage.setItem(TOKEN, token);
    } else {
      sessionStorage.removeItem(TOKEN);
    }
    tell(token ? "kept" : "none");
    render(token);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    use(field.value);
  });
  field.addEventListener("change", () => use(field.value));
  document.getElementById("forget").addEventListener("click", () => use(""));
  use(sessionStorage.getItem(TOKEN) ?? "");
})();
