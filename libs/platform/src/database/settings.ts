import { DataSource } from 'typeorm';

/** A value that all replicas share, made by the migrations. */
export async function readSetting(database: DataSource, name: string): Promise<string> {
  const rows = (await database.query('SELECT value FROM settings WHERE name = $1', [name])) as {
    value: string;
  }[];
  if (rows[0] === undefined) throw new Error(`The database has no setting ${name}`);
  return rows[0].value;
}
