; SPDX-License-Identifier: MIT
; Hash tables that grow and shrink: memory of what was computed, sets of
; lists, tables by identity, and a cache that forgets its oldest entries.

(define rounds (if (null? (arguments)) 10 (string->number (car (arguments)))))

; How many steps from n to 1, remembered for every number on the way.
(define (longest-collatz limit)
  (define known (make-hash-table))
  (define (steps n)
    (if (= n 1)
        0
        (or (hash-ref known n)
            (let ((s (+ 1 (steps (if (even? n) (quotient n 2) (+ 1 (* 3 n)))))))
              (hash-set! known n s)
              s))))
  (let loop ((n 1) (best 0) (best-steps 0))
    (cond ((> n limit) (list best best-steps))
          ((> (steps n) best-steps) (loop (+ n 1) n (steps n)))
          (else (loop (+ n 1) best best-steps)))))

; Positions reachable in the plane by a knight in k moves: keys are lists.
(define (knight-positions k)
  (define moves '((1 2) (2 1) (-1 2) (-2 1) (1 -2) (2 -1) (-1 -2) (-2 -1)))
  (let loop ((k k) (now '((0 0))))
    (if (= k 0)
        (length now)
        (let ((next (make-hash-table)))
          (for-each
           (lambda (at)
             (for-each
              (lambda (move)
                (hash-set! next (list (+ (car at) (car move)) (+ (cadr at) (cadr move))) #t))
              moves))
           now)
          (loop (- k 1) (hash-keys next))))))

; A cache of 500 strings: the entry that was used longest ago goes.  Uses are
; numbered; a number in the queue that is no longer its key's newest is stale.
(define (cache-hits requests)
  (define cache (make-hash-table))
  (define queue (make-hash-table))
  (define newest (make-hash-table))
  (define oldest 0)
  (define (forget-oldest!)
    (let ((key (hash-ref queue oldest)))
      (hash-delete! queue oldest)
      (set! oldest (+ oldest 1))
      (if (= (hash-ref newest key) (- oldest 1))
          (hash-delete! cache key)
          (forget-oldest!))))
  (define (use! key number)
    (let ((hit? (hash-has? cache key)))
      (hash-set! cache key number)
      (hash-set! queue number key)
      (hash-set! newest key number)
      (when (> (hash-count cache) 500)
        (forget-oldest!))
      hit?))
  (let loop ((i 0) (x 12345) (hits 0))
    (if (= i requests)
        hits
        (let* ((x (modulo (+ (* x 1103515245) 12345) 2147483648))
               (r (quotient x 65536))
               (key (string-append "entry-" (number->string (quotient (* r r) 700000)))))
          (loop (+ i 1) x (if (use! key i) (+ hits 1) hits))))))

; The same objects found again by identity, after many others were made.
(define (identities n)
  (let ((table (make-eq-hash-table)) (keys (map (lambda (i) (list i)) (iota n))))
    (for-each (lambda (key) (hash-set! table key (car key))) keys)
    (let ((other (make-vector n 0)))
      (do ((i 0 (+ i 1))) ((= i n)) (vector-set! other i (make-string 20 #\x))))
    (fold (lambda (key sum) (+ sum (hash-ref table key))) 0 keys)))

(define result '())
(do ((i 0 (+ i 1))) ((= i rounds))
  (set! result (list (longest-collatz 20000) (knight-positions 16) (cache-hits 20000) (identities 20000))))

(unless (and (equal? (car result) '(17647 278)) (= (list-ref result 3) (quotient (* 20000 19999) 2)))
  (error "hash: wrong results:" result))
(write (cons 'hash result))
(newline)
