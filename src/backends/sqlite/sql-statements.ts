/** A version above every other, and at least the parameter. */
const nextVersion = "max((SELECT max(version) FROM leasehold_records) + 1, CAST(? AS INTEGER))";

/** node:sqlite binds an empty array as NULL, which would read as a deleted record. */
const givenValue = "coalesce(?, x'')";

const putAny = `
  INSERT INTO leasehold_records (key, version, expires_at_ms, value)
  VALUES (?, ${nextVersion}, CAST(? AS INTEGER), ${givenValue})
  ON CONFLICT (key) DO UPDATE
  SET version = excluded.version, expires_at_ms = excluded.expires_at_ms, value = excluded.value`;

const deleteAny = `
  UPDATE leasehold_records SET version = ${nextVersion}, expires_at_ms = CAST(? AS INTEGER), value = NULL
  WHERE key = ? AND value IS NOT NULL`;

/**
 * Every statement that touches records. Parameters stand in the order of their `?`: node:sqlite of Node 22.13 takes
 * `?1` for a name, and leaves it unbound.
 */
export const sqlStatements = {
  get: "SELECT version, value FROM leasehold_records WHERE key = ? AND value IS NOT NULL",
  version: "SELECT version FROM leasehold_records WHERE key = ? AND value IS NOT NULL",
  scan: `
    SELECT key, version, value FROM leasehold_records
    WHERE key >= ? AND key < ? AND value IS NOT NULL ORDER BY key LIMIT CAST(? AS INTEGER)`,
  put: `${putAny} RETURNING version`,
  putNew: `${putAny} WHERE leasehold_records.value IS NULL RETURNING version`,
  putVersion: `
    UPDATE leasehold_records
    SET version = ${nextVersion}, expires_at_ms = CAST(? AS INTEGER), value = ${givenValue}
    WHERE key = ? AND version = CAST(? AS INTEGER) AND value IS NOT NULL RETURNING version`,
  delete: deleteAny,
  deleteVersion: `${deleteAny} AND version = CAST(? AS INTEGER)`,
  dataVersion: "PRAGMA data_version",
  lastVersion: "SELECT max(version) AS version FROM leasehold_records",
  changes: `
    SELECT key, version FROM leasehold_records
    WHERE version > CAST(? AS INTEGER) ORDER BY version LIMIT CAST(? AS INTEGER)`,
  expiries: `
    SELECT id, expires_at_ms FROM leasehold_records
    WHERE id > CAST(? AS INTEGER) ORDER BY id LIMIT CAST(? AS INTEGER)`,
  /** Never the row with the highest version: the next version counts on from it. */
  collect: `
    DELETE FROM leasehold_records
    WHERE id > CAST(? AS INTEGER) AND id <= CAST(? AS INTEGER) AND expires_at_ms <= CAST(? AS INTEGER)
      AND version < (SELECT max(version) FROM leasehold_records)`,
} as const;
