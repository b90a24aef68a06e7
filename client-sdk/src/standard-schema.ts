/**
 * The interface that Zod, Valibot, ArkType and others implement (https://standardschema.dev), as far as it is used here.
 * A schema given with a command checks what comes back, and its output is what the caller gets.
 */
import { SchemaMismatchError } from "./errors.ts";

/** Anything that can validate: a schema of Zod, Valibot, ArkType, or an object of your own. */
export interface StandardSchema<Output> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    /** @returns the output, or why the value does not fit; either at once or by a promise. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
  };
}

/** What a schema says of a value. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };

/** @returns what the schema makes of the value. @throws SchemaMismatchError */
export function validated<T>(schema: StandardSchema<T>, value: unknown, what: string): T | Promise<T> {
  const result = schema["~standard"].validate(value);
  return result instanceof Promise ? result.then((late) => outputOf(late, what)) : outputOf(result, what);
}

function outputOf<T>(result: SchemaResult<T>, what: string): T {
  if (result.issues === undefined) return result.value;
  const reasons = result.issues.map(({ message }) => message).join("; ");
  throw new SchemaMismatchError(`${what} does not fit its schema: ${reasons}`, result.issues);
}
