;; SPDX-License-Identifier: MIT
;; A program that keeps Guile's heap busy: closures, strings, vectors, hash
;; tables, bignums and continuations, some 60 MB of them alive at the end.
;; Prints results that depend on every object it made.  With SMAPS set, copies
;; the kernel's view of its memory to that file while all of it is alive.
(use-modules (ice-9 rdelim) (srfi srfi-1))

(define (mix h n) (modulo (+ (* h 31) n) 1000000007))

;; A cheap sequence, the same on every machine.
(define (make-random seed)
  (lambda (n)
    (set! seed (modulo (+ (* seed 1103515245) 12345) 2147483648))
    (modulo (quotient seed 8) n)))

(define random-below (make-random 42))

;; Strings in a hash table, replaced again and again.
(define table (make-hash-table))
(define (fill-table n)
  (do ((i 0 (+ i 1))) ((= i n))
    (let ((key (random-below 20000)))
      (hashv-set! table key
                  (string-append (number->string i) "-" (make-string (modulo i 400) #\x))))))

(define (table-sum)
  (hash-fold (lambda (key value sum) (modulo (+ sum (* (+ key 1) (string-length value))) 1000000007)) 0 table))

;; Closures that refer to each other, in a vector.
(define counters (make-vector 30000 #f))
(define (fill-counters)
  (let loop ((i 0) (previous (lambda () 1)))
    (when (< i (vector-length counters))
      (let ((next (let ((count i)) (lambda () (set! count (+ count 1)) count))))
        (vector-set! counters i (cons next previous))
        (loop (+ i 1) next)))))

(define (counters-sum)
  (let loop ((i 0) (sum 0))
    (if (= i (vector-length counters))
        sum
        (let ((pair (vector-ref counters i)))
          (loop (+ i 1) (mix sum (+ ((car pair)) ((cdr pair)))))))))

;; Bignums.
(define (factorial n) (if (= n 0) 1 (* n (factorial (- n 1)))))
(define factorials (map factorial (iota 400)))
(define (digits-sum n) (if (= n 0) 0 (+ (remainder n 10) (digits-sum (quotient n 10)))))

;; A list of lists, sorted and kept.
(define records
  (map (lambda (i) (list (random-below 1000000) (string->symbol (format #f "s~a" (modulo i 500))) i))
       (iota 20000)))
(define sorted (sort records (lambda (a b) (or (< (car a) (car b)) (and (= (car a) (car b)) (< (caddr a) (caddr b)))))))

;; Large blocks, half of them dropped.
(define blocks (map (lambda (i) (make-vector 4000 i)) (iota 1000)))
(define kept (filter (lambda (v) (even? (vector-ref v 0))) blocks))
(set! blocks #f)

;; Continuations that are left and entered again.
(define (generate n)
  (let ((again #f) (sum 0) (i 0))
    (call-with-current-continuation (lambda (k) (set! again k)))
    (set! sum (mix sum i))
    (set! i (+ i 1))
    (if (< i n) (again #f) sum)))

(fill-table 60000)
(fill-counters)
(fill-table 20000)
(gc)
(display (list 'table (hash-count (const #t) table) (table-sum))) (newline)
(display (list 'counters (counters-sum) (counters-sum))) (newline)
(display (list 'bignums (digits-sum (apply + factorials)))) (newline)
(display (list 'sorted (fold (lambda (r h) (mix h (+ (car r) (caddr r)))) 0 sorted))) (newline)
(display (list 'kept (length kept) (fold (lambda (v h) (mix h (vector-ref v 3999))) 0 kept))) (newline)
(display (list 'generate (generate 5000))) (newline)

(define file (getenv "SMAPS"))
(when file
  (let ((text (call-with-input-file "/proc/self/smaps" read-string)))
    (call-with-output-file file (lambda (port) (display text port)))))
