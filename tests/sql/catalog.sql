-- All that a schema consists of, one line a thing, so that two schemas can be compared. The schema's own name is left out.
WITH ours AS (SELECT %(schema)s::text::regnamespace AS oid),
relation AS (
    SELECT c.* FROM pg_class c, ours o WHERE c.relnamespace = o.oid
), line (text) AS (
    SELECT format('relation %%s kind %%s persistence %%s options %%s partition %%s', c.relname, c.relkind, c.relpersistence,
                  c.reloptions, pg_get_expr(c.relpartbound, c.oid)) FROM relation c
    UNION ALL
    SELECT format('column %%s.%%s %%s: %%s collation %%s not null %%s default %%s', c.relname, a.attnum, a.attname,
                  format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation, a.attnotnull,
                  pg_get_expr(d.adbin, d.adrelid))
      FROM relation c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
    UNION ALL
    SELECT format('index %%s', pg_get_indexdef(c.oid)) FROM relation c WHERE c.relkind IN ('i', 'I')
    UNION ALL
    SELECT format('constraint %%s of %%s: %%s', n.conname, c.relname, pg_get_constraintdef(n.oid))
      FROM relation c JOIN pg_constraint n ON n.conrelid = c.oid
    UNION ALL
    SELECT format('trigger %%s', pg_get_triggerdef(t.oid)) FROM relation c JOIN pg_trigger t ON t.tgrelid = c.oid
    UNION ALL
    SELECT format('view %%s: %%s', c.relname, pg_get_viewdef(c.oid)) FROM relation c WHERE c.relkind = 'v'
    UNION ALL
    SELECT format('function %%s', pg_get_functiondef(p.oid)) FROM pg_proc p, ours o WHERE p.pronamespace = o.oid
)
SELECT replace(replace(text, %(schema)s::text || '.', ''), '"' || %(schema)s::text || '".', '') FROM line ORDER BY 1
