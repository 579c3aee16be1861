dist_man_MANS += doc/kindgc.1 doc/kindgc.3 doc/kindgc.7
dist_doc_DATA = README.md NEWS doc/architecture.md doc/callbacks.md doc/dependencies.md doc/dropin.md doc/explicit-memory.md doc/fork.md doc/giving-back.md doc/layout.md doc/leaks.md doc/memkind.md doc/pace.md doc/placing.md doc/report.md doc/rooted.md doc/soundness.md doc/stacks.md doc/types.md doc/weak.md
TESTS += doc/check-manual.sh
EXTRA_DIST += doc/check-manual.sh
