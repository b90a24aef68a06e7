/** The documents that the server has beside its commands: health, readiness, metrics, the OpenAPI description. */
import { allCommands } from "./commands/all.ts";
import type { Config } from "./config/schema.ts";
import { version } from "./config/version.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { openApiDocument } from "./openapi/document.ts";
import type { Page, PageRoute } from "./transports/transport.ts";

/** What the pages show; asked when they are. */
export interface PageSources {
  /** Undefined while the server starts. */
  readonly metrics: () => Metrics | undefined;
  /** Why the server should get no requests now; undefined where it may. */
  readonly unready: () => string | undefined;
  /** This node among others; undefined while the server starts. */
  readonly replication: () => Record<string, unknown> | undefined;
}

export function pages(config: Config, { metrics, unready, replication }: PageSources): PageRoute[] {
  const health = jsonPage({ status: "healthy", service: "synap", version });
  const ready = jsonPage({ status: "ready" });
  let openApi: Page | undefined;
  const routes: PageRoute[] = [
    { path: "/health", isProbe: true, respond: () => health },
    {
      path: "/ready",
      isProbe: true,
      needs: "known",
      respond({ isStopping }) {
        const reason = isStopping ? "The server is stopping." : unready();
        return reason === undefined ? ready : unavailable(reason);
      },
    },
    {
      path: "/health/replication",
      needs: "admin:read",
      respond() {
        const report = replication();
        return report === undefined ? unavailable("The server is starting.") : jsonPage(report);
      },
    },
    {
      path: "/api/v1/openapi.json",
      needs: "known",
      respond() {
        openApi ??= jsonPage(openApiDocument(allCommands, version));
        return openApi;
      },
    },
  ];
  if (config.metrics.enabled) {
    routes.push({
      path: "/metrics",
      needs: config.metrics.requireToken ? "admin:read" : undefined,
      async respond() {
        const page = metrics();
        if (page === undefined) return unavailable("The server is starting.");
        return { status: 200, contentType: page.contentType, body: await page.render() };
      },
    });
  }
  return routes;
}

function unavailable(error: string): Page {
  return jsonPage({ success: false, error, code: "SERVICE_UNAVAILABLE" }, 503);
}

function jsonPage(body: unknown, status = 200): Page {
  return { status, contentType: "application/json", body: JSON.stringify(body) };
}
