; SPDX-License-Identifier: MIT
; Symbolic derivatives with simplification: much short-lived structure that
; shares long-lived parts.

(define rounds (if (null? (arguments)) 2500 (string->number (car (arguments)))))

(define (sum a b)
  (cond ((and (number? a) (number? b)) (+ a b))
        ((equal? a 0) b)
        ((equal? b 0) a)
        ((equal? a b) (product 2 a))
        (else (list '+ a b))))

(define (product a b)
  (cond ((and (number? a) (number? b)) (* a b))
        ((or (equal? a 0) (equal? b 0)) 0)
        ((equal? a 1) b)
        ((equal? b 1) a)
        (else (list '* a b))))

(define (power base n)
  (cond ((= n 0) 1)
        ((= n 1) base)
        (else (list '^ base n))))

(define (derive e x)
  (cond ((number? e) 0)
        ((symbol? e) (if (eq? e x) 1 0))
        (else
         (case (car e)
           ((+) (sum (derive (cadr e) x) (derive (caddr e) x)))
           ((*) (sum (product (derive (cadr e) x) (caddr e))
                     (product (cadr e) (derive (caddr e) x))))
           ((^) (product (product (caddr e) (power (cadr e) (- (caddr e) 1)))
                         (derive (cadr e) x)))
           ((sin) (product (list 'cos (cadr e)) (derive (cadr e) x)))
           ((cos) (product -1 (product (list 'sin (cadr e)) (derive (cadr e) x))))
           (else (error "derive: unknown operator" (car e)))))))

(define (value e x)
  (cond ((number? e) e)
        ((symbol? e) x)
        (else
         (let ((a (value (cadr e) x)))
           (case (car e)
             ((+) (+ a (value (caddr e) x)))
             ((*) (* a (value (caddr e) x)))
             ((^) (expt a (caddr e)))
             ((sin) (sin a))
             ((cos) (cos a)))))))

(define (size e)
  (if (pair? e) (fold (lambda (part n) (+ n (size part))) 1 (cdr e)) 1))

(define start '(* (sin (* 3 x)) (+ (^ x 5) (* (cos (^ x 2)) (+ x 7)))))

(define (nth-derivative e n)
  (if (= n 0) e (nth-derivative (derive e 'x) (- n 1))))

(define result #f)
(do ((i 0 (+ i 1))) ((= i rounds))
  (set! result (nth-derivative start 4)))

; Against differences of the third derivative.
(define third (nth-derivative start 3))
(define slope (/ (- (value third 0.50001) (value third 0.49999)) 0.00002))
(define exact-slope (value result 0.5))
(unless (< (abs (- slope exact-slope)) 0.001)
  (error "deriv: wrong derivative:" slope exact-slope))
(write (list 'deriv (size result) (number->string exact-slope 6)))
(newline)
