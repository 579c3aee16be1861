; SPDX-License-Identifier: MIT
; Numbers, pairs and lists made of nothing but procedures, and a parser built
; of combinators: closures upon closures.

(define rounds (if (null? (arguments)) 80 (string->number (car (arguments)))))

(define zero (lambda (f) (lambda (x) x)))
(define (successor n) (lambda (f) (lambda (x) (f ((n f) x)))))
(define (plus a b) (lambda (f) (lambda (x) ((a f) ((b f) x)))))
(define (times a b) (lambda (f) (a (b f))))
(define (power a b) (b a))
(define (pair a b) (lambda (select) (select a b)))
(define (first p) (p (lambda (a b) a)))
(define (second p) (p (lambda (a b) b)))
(define (predecessor n)
  (first ((n (lambda (p) (pair (second p) (successor (second p))))) (pair zero zero))))
(define (minus a b) ((b predecessor) a))
(define (zero-number? n) ((n (lambda (x) #f)) #t))

(define (number n) ((n (lambda (x) (+ x 1))) 0))
(define (church n) (if (= n 0) zero (successor (church (- n 1)))))

; Recursion without a name.
(define (fix f)
  ((lambda (x) (f (lambda (n) ((x x) n))))
   (lambda (x) (f (lambda (n) ((x x) n))))))

(define factorial
  (fix (lambda (self)
         (lambda (n)
           (if (zero-number? n) (church 1) (times n (self (predecessor n))))))))

; Parsers take a list of characters and two continuations: one for a result
; and the rest, one for failure.
(define (char-parser ok?)
  (lambda (in found fail)
    (if (and (pair? in) (ok? (car in))) (found (car in) (cdr in)) (fail))))
(define (either a b)
  (lambda (in found fail) (a in found (lambda () (b in found fail)))))
(define (both a b combine)
  (lambda (in found fail)
    (a in (lambda (x rest) (b rest (lambda (y rest) (found (combine x y) rest)) fail)) fail)))
(define (many p)
  (lambda (in found fail)
    (p in
       (lambda (x rest) ((many p) rest (lambda (xs rest) (found (cons x xs) rest)) fail))
       (lambda () (found '() in)))))
(define (later thunk) (lambda (in found fail) ((thunk) in found fail)))

(define digits
  (both (char-parser char-numeric?) (many (char-parser char-numeric?))
        (lambda (d ds) (string->number (list->string (cons d ds))))))
(define (literal c) (char-parser (lambda (x) (char=? x c))))
(define (operators part . table)
  (both part
        (many (both (char-parser (lambda (c) (assv c table))) part cons))
        (lambda (x rest)
          (fold (lambda (step x) ((cdr (assv (car step) table)) x (cdr step))) x rest))))
(define factor
  (either digits
          (both (literal #\() (both (later (lambda () expression)) (literal #\)) (lambda (e c) e))
                (lambda (c e) e))))
(define expression
  (operators (operators factor (cons #\* *)) (cons #\+ +) (cons #\- -)))

(define (calculate text)
  (expression (string->list text) (lambda (x rest) x) (lambda () 'failed)))

(define sum-text
  (string-join (map (lambda (i) (string-append "(" (number->string i) "*2+1)*3")) (iota 200)) "+"))

(define (run)
  (list (number (plus (church 10) (times (church 5) (church 6))))
        (number (power (church 2) (church 13)))
        (number (minus (church 60) (church 18)))
        (number (factorial (church 6)))
        (calculate "2*(3+4)*5-6*(7-8)")
        (calculate sum-text)))

(define result '())
(do ((i 0 (+ i 1))) ((= i rounds)) (set! result (run)))
(unless (equal? result '(40 8192 42 720 76 120000))
  (error "church: wrong results:" result))
(write (cons 'church result))
(newline)
