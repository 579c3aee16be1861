; SPDX-License-Identifier: MIT
; Whole numbers of any size as lists of digits in base 10000, least first.
; Every operation makes a new list.

(define rounds (if (null? (arguments)) 3 (string->number (car (arguments)))))
(define base 10000)

(define (make n)
  (if (< n base) (list n) (cons (remainder n base) (make (quotient n base)))))

(define (add a b)
  (let loop ((a a) (b b) (carry 0) (out '()))
    (if (and (null? a) (null? b))
        (reverse! (if (= carry 0) out (cons carry out)))
        (let ((s (+ carry (if (null? a) 0 (car a)) (if (null? b) 0 (car b)))))
          (loop (if (null? a) a (cdr a)) (if (null? b) b (cdr b))
                (quotient s base)
                (cons (remainder s base) out))))))

(define (scale a n)
  (let loop ((a a) (carry 0) (out '()))
    (cond ((pair? a)
           (let ((s (+ carry (* n (car a)))))
             (loop (cdr a) (quotient s base) (cons (remainder s base) out))))
          ((= carry 0) (reverse! out))
          (else (loop a (quotient carry base) (cons (remainder carry base) out))))))

(define (multiply a b)
  (if (null? b)
      '()
      (add (scale a (car b)) (let ((rest (multiply a (cdr b)))) (if (null? rest) rest (cons 0 rest))))))

(define (power a n)
  (cond ((= n 0) (make 1))
        ((even? n) (power (multiply a a) (quotient n 2)))
        (else (multiply a (power a (- n 1))))))

(define (factorial n)
  (let loop ((i 2) (f (make 1)))
    (if (> i n) f (loop (+ i 1) (scale f i)))))

(define (fibonacci n)
  (let loop ((n n) (a (make 0)) (b (make 1)))
    (if (= n 0) a (loop (- n 1) b (add a b)))))

(define (padded n)
  (let ((s (number->string n)))
    (string-append (make-string (- 4 (string-length s)) #\0) s)))

(define (digits a)
  (let ((reversed (reverse a)))
    (apply string-append (number->string (car reversed)) (map padded (cdr reversed)))))

(define (digit-sum s)
  (fold (lambda (c sum) (+ sum (- (char->integer c) 48))) 0 (string->list s)))

(define (run)
  (let ((f (digits (factorial 400)))
        (p (digits (power (make 7) 2000)))
        (q (digits (multiply (power (make 7) 1200) (power (make 7) 800))))
        (b (digits (fibonacci 3000))))
    (unless (string=? p q)
      (error "bignum: 7^1200 * 7^800 is not 7^2000"))
    (list (string-length f) (digit-sum f) (string-length p) (digit-sum p)
          (string-length b) (substring b 0 12))))

(define result '())
(do ((i 0 (+ i 1))) ((= i rounds)) (set! result (run)))
(unless (and (= (list-ref result 0) 869) (= (list-ref result 2) 1691) (equal? (list-ref result 5) "410615886307"))
  (error "bignum: wrong results:" result))
(write (cons 'bignum result))
(newline)
