dist_man_MANS += doc/kindgc.1 doc/kindgc.3 doc/kindgc.7
dist_doc_DATA = README.md NEWS doc/architecture.md doc/dependencies.md doc/explicit-memory.md doc/fork.md doc/giving-back.md doc/memkind.md doc/report.md
TESTS += doc/check-manual.sh
EXTRA_DIST += doc/check-manual.sh
