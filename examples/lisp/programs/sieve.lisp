; SPDX-License-Identifier: MIT
; Primes three ways: a sieve in one large vector, a lazy stream of filters,
; and trial division by the list of primes so far.

(define rounds (if (null? (arguments)) 4 (string->number (car (arguments)))))

(define (vector-primes limit)
  (let ((composite (make-vector (+ limit 1) #f)))
    (let loop ((i 2) (count 0))
      (cond ((> i limit) count)
            ((vector-ref composite i) (loop (+ i 1) count))
            (else
             (do ((j (* i i) (+ j i))) ((> j limit))
               (vector-set! composite j #t))
             (loop (+ i 1) (+ count 1)))))))

; A stream is a pair of its first element and a procedure for the rest, which
; is called once.
(define-macro (stream-cons first rest)
  `(cons ,first (once (lambda () ,rest))))

(define (once thunk)
  (let ((done #f) (result #f))
    (lambda ()
      (unless done
        (set! result (thunk))
        (set! done #t)
        (set! thunk #f))
      result)))

(define (rest stream) ((cdr stream)))

(define (from n) (stream-cons n (from (+ n 1))))

(define (keep ok? stream)
  (if (ok? (car stream))
      (stream-cons (car stream) (keep ok? (rest stream)))
      (keep ok? (rest stream))))

(define (sieve stream)
  (let ((p (car stream)))
    (stream-cons p (sieve (keep (lambda (n) (not (= 0 (remainder n p)))) (rest stream))))))

(define (take-last stream n)
  (if (= n 1) (car stream) (take-last (rest stream) (- n 1))))

(define (list-primes limit)
  (define (prime? n primes)
    (let loop ((primes primes))
      (cond ((null? primes) #t)
            ((> (* (car primes) (car primes)) n) #t)
            ((= 0 (remainder n (car primes))) #f)
            (else (loop (cdr primes))))))
  (let loop ((n 3) (first (list 2)) (last #f) (count 1))
    (let ((last (or last first)))
      (cond ((> n limit) count)
            ((prime? n first)
             (set-cdr! last (list n))
             (loop (+ n 2) first (cdr last) (+ count 1)))
            (else (loop (+ n 2) first last count))))))

(define result '())
(do ((i 0 (+ i 1))) ((= i rounds))
  (set! result (list (vector-primes 1000000) (take-last (sieve (from 2)) 250) (list-primes 50000))))
(unless (equal? result '(78498 1583 5133))
  (error "sieve: wrong results:" result))
(write (cons 'sieve result))
(newline)
