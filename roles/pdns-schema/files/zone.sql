-- The zone @zone with @zone, www and ns1 at @address. These three names' A records are this file's; all else in the
-- zone belongs to whoever put it there. The serial rises if and only if a record changed.
START TRANSACTION;

INSERT INTO domains (name, type)
  SELECT @zone, 'NATIVE' FROM DUAL WHERE NOT EXISTS (SELECT * FROM domains WHERE name = @zone);
SET @id = (SELECT id FROM domains WHERE name = @zone),
    @ns = CONCAT('ns1.', @zone),
    @www = CONCAT('www.', @zone),
    @changes = 0,
    @soa = NULL;
SELECT id INTO @soa FROM records WHERE domain_id = @id AND type = 'SOA' LIMIT 1;

INSERT INTO records (domain_id, name, type, ttl, content)
  SELECT @id, @zone, 'SOA', 3600,
         CONCAT(@ns, ' hostmaster.', @zone, ' ', DATE_FORMAT(UTC_DATE(), '%Y%m%d01'), ' 10800 3600 604800 300')
  FROM DUAL WHERE @soa IS NULL;

INSERT INTO records (domain_id, name, type, ttl, content)
  SELECT @id, @zone, 'NS', 3600, @ns
  FROM DUAL WHERE NOT EXISTS (SELECT * FROM records WHERE domain_id = @id AND name = @zone AND type = 'NS');
SET @changes = @changes + ROW_COUNT();

-- Changed in place, because a signed zone keeps its order of names in the same row.
UPDATE records SET content = @address
  WHERE domain_id = @id AND type = 'A' AND name IN (@zone, @www, @ns) AND content <> @address;
SET @changes = @changes + ROW_COUNT();
DELETE extra FROM records AS extra JOIN records AS kept
    ON kept.domain_id = @id AND kept.type = 'A' AND kept.name = extra.name AND kept.id < extra.id
  WHERE extra.domain_id = @id AND extra.type = 'A' AND extra.name IN (@zone, @www, @ns);
SET @changes = @changes + ROW_COUNT();
INSERT INTO records (domain_id, name, type, ttl, content)
  SELECT @id, wanted.name, 'A', 300, @address
  FROM (SELECT @zone AS name UNION SELECT @www UNION SELECT @ns) AS wanted
  WHERE NOT EXISTS (SELECT * FROM records WHERE domain_id = @id AND type = 'A' AND name = wanted.name);
SET @changes = @changes + ROW_COUNT();

-- content is: name server, mailbox, serial, refresh, retry, expire, minimum.
UPDATE records
  SET content = CONCAT_WS(' ',
    SUBSTRING_INDEX(content, ' ', 2),
    (CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(content, ' ', 3), ' ', -1) AS UNSIGNED) + 1) % 4294967296,
    SUBSTRING_INDEX(content, ' ', -4))
  WHERE id = @soa AND @changes > 0;

COMMIT;
