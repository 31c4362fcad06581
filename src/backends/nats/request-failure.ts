/** Why a request came to nothing, in the same words for both client generations. */
export type RequestFailure =
  /** Nobody listens on the subject: the message was delivered to no one. */
  | { readonly kind: "no-responders" }
  /** The server refused this connection to send on, or to listen on, `subject`. */
  | { readonly kind: "permission"; readonly operation: "publish" | "subscription"; readonly subject: string }
  /** The client refused to send: closed, draining, or too large. */
  | { readonly kind: "not-sent" }
  /** No answer in time, or the connection ended while waiting. */
  | { readonly kind: "no-answer" };

interface ClientError {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly operation?: unknown;
  readonly subject?: unknown;
  readonly permissionContext?: { readonly operation?: unknown; readonly subject?: unknown };
}

const notSent = new Set<unknown>([
  "CONNECTION_CLOSED",
  "CONNECTION_DRAINING",
  "MAX_PAYLOAD_EXCEEDED",
  "BAD_SUBJECT",
  "ClosedConnectionError",
  "DrainingConnectionError",
  "InvalidSubjectError",
  "InvalidArgumentError",
]);

/**
 * Sorts an error of `connection.request`. By names and codes and not by class: the classes belong to packages that
 * this module never imports. Whatever is not recognised counts as no answer, the careful reading.
 */
export function sortFailure(error: unknown): RequestFailure {
  const outer = (error ?? {}) as ClientError;
  const inner = (outer.cause ?? outer) as ClientError;
  if (outer.code === "503" || inner.name === "NoResponders") return { kind: "no-responders" };
  if (outer.code === "PERMISSIONS_VIOLATION") return permission(outer.permissionContext ?? {});
  if (inner.name === "PermissionViolationError") return permission(inner);
  if (notSent.has(outer.code) || notSent.has(outer.name)) return { kind: "not-sent" };
  return { kind: "no-answer" };
}

function permission(context: { readonly operation?: unknown; readonly subject?: unknown }): RequestFailure {
  const operation = context.operation === "publish" ? "publish" : "subscription";
  return { kind: "permission", operation, subject: String(context.subject ?? "(not named by the server)") };
}
