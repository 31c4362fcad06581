/** A version above every other, and at least ?2. */
const nextVersion = "max((SELECT max(version) FROM leasehold_records) + 1, CAST(?2 AS INTEGER))";

/** node:sqlite binds an empty array as NULL, which would read as a deleted record. */
const givenValue = "coalesce(?4, x'')";

const putAny = `
  INSERT INTO leasehold_records (key, version, expires_at_ms, value)
  VALUES (?1, ${nextVersion}, CAST(?3 AS INTEGER), ${givenValue})
  ON CONFLICT (key) DO UPDATE
  SET version = excluded.version, expires_at_ms = excluded.expires_at_ms, value = excluded.value`;

const deleteAny = `
  UPDATE leasehold_records SET version = ${nextVersion}, expires_at_ms = CAST(?3 AS INTEGER), value = NULL
  WHERE key = ?1 AND value IS NOT NULL`;

/**
 * Every statement that touches records. Parameters of writes: ?1 key, ?2 least version, ?3 expiry, ?4 value (or the
 * expected version of a delete), ?5 expected version.
 */
export const sqlStatements = {
  get: "SELECT version, value FROM leasehold_records WHERE key = ?1 AND value IS NOT NULL",
  version: "SELECT version FROM leasehold_records WHERE key = ?1 AND value IS NOT NULL",
  scan: `
    SELECT key, version, value FROM leasehold_records
    WHERE key >= ?1 AND key < ?2 AND value IS NOT NULL ORDER BY key LIMIT CAST(?3 AS INTEGER)`,
  put: `${putAny} RETURNING version`,
  putNew: `${putAny} WHERE leasehold_records.value IS NULL RETURNING version`,
  putVersion: `
    UPDATE leasehold_records
    SET version = ${nextVersion}, expires_at_ms = CAST(?3 AS INTEGER), value = ${givenValue}
    WHERE key = ?1 AND version = CAST(?5 AS INTEGER) AND value IS NOT NULL RETURNING version`,
  delete: deleteAny,
  deleteVersion: `${deleteAny} AND version = CAST(?4 AS INTEGER)`,
  dataVersion: "PRAGMA data_version",
  lastVersion: "SELECT max(version) AS version FROM leasehold_records",
  changes: `
    SELECT key, version FROM leasehold_records
    WHERE version > CAST(?1 AS INTEGER) ORDER BY version LIMIT CAST(?2 AS INTEGER)`,
  expiries: `
    SELECT id, expires_at_ms FROM leasehold_records
    WHERE id > CAST(?1 AS INTEGER) ORDER BY id LIMIT CAST(?2 AS INTEGER)`,
  /** Never the row with the highest version: the next version counts on from it. */
  collect: `
    DELETE FROM leasehold_records
    WHERE id > CAST(?1 AS INTEGER) AND id <= CAST(?2 AS INTEGER) AND expires_at_ms <= CAST(?3 AS INTEGER)
      AND version < (SELECT max(version) FROM leasehold_records)`,
} as const;
