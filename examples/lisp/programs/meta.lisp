; SPDX-License-Identifier: MIT
; An evaluator of the language in the language, running programs on itself: a
; heap full of environments and of programs as data.

(define rounds (if (null? (arguments)) 5 (string->number (car (arguments)))))

; An environment is a list of frames, a frame an association list in a pair.
(define (extend names values env)
  (cons (list (let bind ((names names) (values values))
                (cond ((null? names) '())
                      ((symbol? names) (list (cons names values)))
                      (else (cons (cons (car names) (car values))
                                  (bind (cdr names) (cdr values)))))))
        env))

(define (lookup name env)
  (cond ((null? env) (error "meta: unbound variable" name))
        ((assq name (caar env)) => (lambda (found) found))
        (else (lookup name (cdr env)))))

(define (define! name value env)
  (let ((frame (car env)))
    (set-car! frame (cons (cons name value) (car frame)))
    name))

(define-record-type compound (make-compound names body env) compound?
  (names compound-names)
  (body compound-body)
  (env compound-env))

(define (run-all body env)
  (if (null? (cdr body))
      (run (car body) env)
      (begin
        (run (car body) env)
        (run-all (cdr body) env))))

(define (run e env)
  (cond ((symbol? e) (cdr (lookup e env)))
        ((not (pair? e)) e)
        (else
         (case (car e)
           ((quote) (cadr e))
           ((if) (if (run (cadr e) env)
                     (run (caddr e) env)
                     (if (null? (cdddr e)) #f (run (cadddr e) env))))
           ((lambda) (make-compound (cadr e) (cddr e) env))
           ((define)
            (if (pair? (cadr e))
                (define! (car (cadr e)) (make-compound (cdr (cadr e)) (cddr e) env) env)
                (define! (cadr e) (run (caddr e) env) env)))
           ((set!) (set-cdr! (lookup (cadr e) env) (run (caddr e) env)))
           ((begin) (run-all (cdr e) env))
           ((let) (run `((lambda ,(map car (cadr e)) ,@(cddr e)) ,@(map cadr (cadr e))) env))
           ((cond)
            (let next ((clauses (cdr e)))
              (cond ((null? clauses) #f)
                    ((or (eq? (car (car clauses)) 'else) (run (car (car clauses)) env))
                     (run-all (cdr (car clauses)) env))
                    (else (next (cdr clauses))))))
           (else
            (call-with (run (car e) env)
                       (map (lambda (argument) (run argument env)) (cdr e))))))))

(define (call-with procedure arguments)
  (if (compound? procedure)
      (run-all (compound-body procedure)
               (extend (compound-names procedure) arguments (compound-env procedure)))
      (apply procedure arguments)))

(define (new-world)
  (extend '(+ - * < = car cdr cons null? pair? eq? list map symbol? not assq cadr caddr cddr)
          (list + - * < = car cdr cons null? pair? eq? list
                (lambda (f l) (map (lambda (x) (call-with f (list x))) l))
                symbol? not assq cadr caddr cddr)
          '()))

(define (interpret program)
  (run-all program (new-world)))

(define fibonacci
  '((define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
    (fib 19)))

(define sorting
  '((define (insert x l)
      (cond ((null? l) (list x))
            ((< x (car l)) (cons x l))
            (else (cons (car l) (insert x (cdr l))))))
    (define (insertion-sort l) (if (null? l) l (insert (car l) (insertion-sort (cdr l)))))
    (define (random-list n x)
      (if (= n 0) (quote ()) (cons (- x (* 97 (quotient x 97))) (random-list (- n 1) (+ (* 5 x) 3)))))
    (define (quotient a b) (half a b 0))
    (define (half a b n)
      (if (< a b) n (let ((n2 (double a b 1))) (half (- a (* b n2)) b (+ n n2)))))
    (define (double a b n) (if (< a (* b (* 2 n))) n (double a b (* 2 n))))
    (insertion-sort (random-list 24 11))))

; A third evaluator inside the second: a calculator with variables.
(define inner
  '((define (calc e env)
      (cond ((symbol? e) (cdr (assq e env)))
            ((not (pair? e)) e)
            ((eq? (car e) (quote let))
             (calc (caddr e)
                   (cons (cons (car (cadr e)) (calc (cadr (cadr e)) env)) env)))
            (else
             (let ((a (calc (cadr e) env)) (b (calc (caddr e) env)))
               (cond ((eq? (car e) (quote plus)) (+ a b))
                     ((eq? (car e) (quote minus)) (- a b))
                     (else (* a b)))))))
    (define (many n)
      (if (= n 0)
          0
          (+ (calc (quote (let (x 6) (times x (plus x (let (y 2) (minus (times x y) 11)))))) (quote ()))
             (many (- n 1)))))
    (many 300)))

(define result '())
(do ((i 0 (+ i 1))) ((= i rounds))
  (set! result (list (interpret fibonacci) (interpret sorting) (interpret inner))))

(unless (and (equal? (car result) 4181)
             (equal? (cadr result) (sort (cadr result) <))
             (= (length (cadr result)) 24)
             (= (caddr result) 12600))
  (error "meta: wrong results:" result))
(write (list 'meta (car result) (fold + 0 (cadr result)) (caddr result)))
(newline)
