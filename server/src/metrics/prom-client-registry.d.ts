/**
 * The one part of prom-client that is used: its registry, which writes the text format. All our metrics are read when
 * the page is asked for, so its own counters and gauges, which keep values, would only hold copies. The whole package
 * costs every start 30 ms and 12 MB (an OpenTelemetry client, cluster, a push gateway); this file of it 2 ms and 0.7 MB.
 */
declare module "prom-client/lib/registry.js" {
  export interface Sample {
    readonly labels?: Readonly<Record<string, string>>;
    /** Labels of a whole series of samples. The registry remembers its text by the identity of this object. */
    readonly sharedLabels?: Readonly<Record<string, string>>;
    readonly value: number;
  }

  export interface Family {
    readonly name: string;
    readonly help: string;
    readonly type: "counter" | "gauge" | "summary";
    readonly values: readonly Sample[];
  }

  export default class Registry {
    registerMetric(metric: { readonly name: string; get(): Family }): void;
    /** The page, in the text format 0.0.4. */
    metrics(): Promise<string>;
    readonly contentType: string;
  }
}
