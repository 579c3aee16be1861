; SPDX-License-Identifier: MIT
; Strings: built by appending, in string ports, taken apart, escaped and
; restored; a small template engine and a palindrome search.

(define rounds (if (null? (arguments)) 20 (string->number (car (arguments)))))

(define (repeat string n)
  (let ((out (open-output-string)))
    (do ((i 0 (+ i 1))) ((= i n) (get-output-string out))
      (write-string string out))))

; Every append makes a new string; the old one is garbage at once.
(define (squares-by-append n)
  (let loop ((i 0) (s ""))
    (if (= i n)
        s
        (loop (+ i 1) (string-append s (number->string (* i i)) ",")))))

(define (replace-all s pattern with)
  (let ((out (open-output-string)) (length (string-length pattern)))
    (let loop ((from 0))
      (let ((at (string-search s pattern from)))
        (write-string (substring s from (or at (string-length s))) out)
        (if at
            (begin
              (write-string with out)
              (loop (+ at length)))
            (get-output-string out))))))

(define (escape s)
  (replace-all (replace-all (replace-all s "&" "&amp;") "<" "&lt;") ">" "&gt;"))

(define (unescape s)
  (replace-all (replace-all (replace-all s "&gt;" ">") "&lt;" "<") "&amp;" "&"))

(define (palindrome? s)
  (let loop ((i 0) (j (- (string-length s) 1)))
    (or (>= i j)
        (and (char=? (string-ref s i) (string-ref s j))
             (loop (+ i 1) (- j 1))))))

(define (palindromes limit)
  (let loop ((n 1) (count 0))
    (if (> n limit)
        count
        (loop (+ n 1) (if (palindrome? (number->string (* n n))) (+ count 1) count)))))

(define (fill template values)
  (fold (lambda (v s) (replace-all s (string-append "{" (symbol->string (car v)) "}") (cdr v)))
        template
        values))

(define (checksum s)
  (fold (lambda (c sum) (modulo (+ (* sum 31) (char->integer c)) 1000003)) 7 (string->list s)))

(define (run)
  (let* ((squares (squares-by-append 1200))
         (parts (string-split squares #\,))
         (markup (repeat "<a href=x>& more</a> " 2000))
         (escaped (escape markup))
         (letter (fill "Dear {name}, your {thing} of {day} has arrived. {name}!"
                       '((name . "Ada") (thing . "parcel") (day . "Tuesday")))))
    (unless (equal? (unescape escaped) markup)
      (error "strings: what was escaped did not come back"))
    (unless (equal? (string-append (string-join (filter (lambda (p) (not (equal? p ""))) parts) ",") ",") squares)
      (error "strings: parts do not make the whole"))
    (unless (string=? letter "Dear Ada, your parcel of Tuesday has arrived. Ada!")
      (error "strings: the template was filled wrongly:" letter))
    (list (string-length squares) (checksum squares)
          (string-length escaped) (checksum (string-upcase escaped))
          (palindromes 20000))))

(define result '())
(do ((i 0 (+ i 1))) ((= i rounds)) (set! result (run)))
(write (cons 'strings result))
(newline)
