; SPDX-License-Identifier: MIT
; Takeuchi's function, three ways: plain recursion, continuation-passing style
; (a closure for every step), and with lists as numbers.

(define rounds (if (null? (arguments)) 40 (string->number (car (arguments)))))

(define (tak x y z)
  (if (not (< y x))
      z
      (tak (tak (- x 1) y z) (tak (- y 1) z x) (tak (- z 1) x y))))

(define (cpstak x y z)
  (define (step x y z k)
    (if (not (< y x))
        (k z)
        (step (- x 1) y z
              (lambda (a)
                (step (- y 1) z x
                      (lambda (b)
                        (step (- z 1) x y
                              (lambda (c) (step a b c k)))))))))
  (step x y z (lambda (result) result)))

(define (shorter? a b)
  (and (pair? b)
       (or (null? a) (shorter? (cdr a) (cdr b)))))

(define (takl x y z)
  (if (not (shorter? y x))
      z
      (takl (takl (cdr x) y z) (takl (cdr y) z x) (takl (cdr z) x y))))

(define plain 0)
(define passing 0)
(define lists 0)
(do ((i 0 (+ i 1))) ((= i rounds))
  (set! plain (tak 18 12 6))
  (set! passing (cpstak 18 12 6))
  (set! lists (length (takl (iota 14) (iota 9) (iota 4)))))

(unless (and (= plain 7) (= passing 7) (= lists (tak 14 9 4)))
  (error "tak: wrong results:" plain passing lists))
(write (list 'tak plain 'cpstak passing 'takl lists))
(newline)
