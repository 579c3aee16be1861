-- SPDX-License-Identifier: MIT
-- What dropin.sh lets SQLite do.
pragma journal_mode = memory;
pragma synchronous = off;
create table t (id integer primary key, word text, n integer, body blob);
with recursive c(i) as (select 1 union all select i + 1 from c where i < 120000)
insert into t select i, 'w' || (i * 7919 % 30011), i * 31 % 1009, zeroblob(i % 200) from c;
create index by_word on t (word);
create index by_n on t (n, word);
select count(*), sum(length(body)) from t;
select word, count(*), group_concat(n) from t group by word having count(*) > 3 order by word limit 40;
select a.word, count(*) from t a join t b on a.n = b.id where b.word like 'w1%' group by a.word order by 2 desc, 1 limit 20;
delete from t where id % 3 = 0;
update t set word = word || 'x' where n < 100;
select count(distinct word) from t;
with recursive f(a, b, n) as (select 0, 1, 0 union all select b, a + b, n + 1 from f where n < 80) select max(a) from f;
pragma integrity_check;
