// SPDX-License-Identifier: MIT
//! A Rust program all of whose memory is kindgc's: Box, Vec, String, HashMap
//! and the rest live in the rooted heap, which the collector scans.  So they
//! may hold pointers to collectable objects, and keep them alive.
//!
//! Checks itself; says what it has done.

use std::alloc::{GlobalAlloc, Layout};
use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::Mutex;
use std::thread;

/// The parts of <kindgc.h> that are used here.
mod ffi {
    use std::ffi::c_void;

    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct Layout {
        pub size: usize,
        pub align: usize,
    }

    pub type Finalizer = extern "C" fn(object: *mut c_void, data: *mut c_void);

    pub const FINALIZE_NO_ORDER: i32 = 2;

    #[link(name = "kindgc")]
    extern "C" {
        pub fn kgc_alloc(layout: Layout) -> *mut c_void;
        pub fn kgc_alloc_zeroed(layout: Layout) -> *mut c_void;
        pub fn kgc_dealloc(p: *mut c_void, layout: Layout);
        pub fn kgc_resize(p: *mut c_void, layout: Layout, new_size: usize) -> *mut c_void;
        pub fn kgc_allocate(size: usize) -> *mut c_void;
        pub fn kgc_collect();
        pub fn kgc_malloc_usable_size(p: *const c_void) -> usize;
        pub fn kgc_register_finalizer(
            object: *mut c_void,
            function: Option<Finalizer>,
            data: *mut c_void,
            mode: i32,
            old_function: *mut Option<Finalizer>,
            old_data: *mut *mut c_void,
        ) -> i32;
    }
}

/// Rust's layouts and kindgc's are the same; a request goes over as it is.
struct Kindgc;

fn layout_of(layout: Layout) -> ffi::Layout {
    ffi::Layout {
        size: layout.size(),
        align: layout.align(),
    }
}

unsafe impl GlobalAlloc for Kindgc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ffi::kgc_alloc(layout_of(layout)).cast()
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ffi::kgc_alloc_zeroed(layout_of(layout)).cast()
    }
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        ffi::kgc_dealloc(p.cast(), layout_of(layout))
    }
    unsafe fn realloc(&self, p: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ffi::kgc_resize(p.cast(), layout_of(layout), new_size).cast()
    }
}

#[global_allocator]
static GLOBAL: Kindgc = Kindgc;

/// A pointer to a collectable object.  Nobody frees it, so it may be copied,
/// and point in circles.  The object is dropped when it has been collected, by
/// whichever thread allocates then; so its Drop must not follow a Gc, whose
/// object may be gone too, nor take a lock that an allocating thread may hold.
struct Gc<T> {
    object: *mut T,
    owns: PhantomData<T>,
}

impl<T> Clone for Gc<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Gc<T> {}

impl<T> Deref for Gc<T> {
    type Target = T;
    fn deref(&self) -> &T {
        unsafe { &*self.object }
    }
}

// As for Arc: two threads may have the same object.
unsafe impl<T: Send + Sync> Send for Gc<T> {}
unsafe impl<T: Send + Sync> Sync for Gc<T> {}

static COLLECTED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn drop_object<T>(object: *mut c_void, _data: *mut c_void) {
    unsafe { object.cast::<T>().drop_in_place() }
    COLLECTED.fetch_add(1, Ordering::Relaxed);
}

impl<T: Send + 'static> Gc<T> {
    #[inline(never)]
    fn new(value: T) -> Self {
        assert!(std::mem::align_of::<T>() <= 16);
        unsafe {
            let object = ffi::kgc_allocate(std::mem::size_of::<T>()).cast::<T>();
            assert!(!object.is_null());
            object.write(value);
            let data = std::ptr::null_mut();
            let (old, old_data) = (std::ptr::null_mut(), std::ptr::null_mut());
            let error = ffi::kgc_register_finalizer(
                object.cast(),
                Some(drop_object::<T>),
                data,
                ffi::FINALIZE_NO_ORDER,
                old,
                old_data,
            );
            assert_eq!(error, 0);
            Gc {
                object,
                owns: PhantomData,
            }
        }
    }
}

/// Overwrites what dead frames have left on the stack.
#[inline(never)]
fn clear_stack() {
    let mut space = [0u8; 32 * 1024];
    for byte in &mut space {
        unsafe { std::ptr::write_volatile(byte, 0) }
    }
}

fn collect() {
    for _ in 0..3 {
        clear_stack();
        unsafe { ffi::kgc_collect() }
    }
}

fn collected() -> usize {
    COLLECTED.swap(0, Ordering::Relaxed)
}

const COUNT: usize = 10_000;

struct Word {
    number: usize,
    text: Box<str>,
}

#[inline(never)]
fn fill(map: &mut HashMap<String, Box<Gc<Word>>>) {
    for number in 0..COUNT {
        let text = format!("word {}", number).into_boxed_str();
        let key = text.to_string();
        map.insert(key, Box::new(Gc::new(Word { number, text })));
    }
}

#[inline(never)]
fn check(map: &HashMap<String, Box<Gc<Word>>>) {
    for (key, word) in map {
        assert_eq!(**key, *word.text);
        assert_eq!(word.text[5..].parse(), Ok(word.number));
    }
}

/// The only pointers to the objects lie in boxes, in a hash table.
fn boxes() {
    let mut map = HashMap::new();
    fill(&mut map);
    collect();
    assert_eq!(collected(), 0);
    check(&map);
    drop(map);
    collect();
    assert!(collected() > COUNT * 9 / 10);
    println!(
        "boxes: {} objects kept, and collected when the map was gone",
        COUNT
    );
}

/// Circles, which Rc would leak.
struct Link {
    next: Mutex<Option<Gc<Link>>>,
    number: usize,
}

#[inline(never)]
fn circle(length: usize) -> Gc<Link> {
    let first = Gc::new(Link {
        next: Mutex::new(None),
        number: 0,
    });
    let mut last = first;
    for number in 1..length {
        let link = Gc::new(Link {
            next: Mutex::new(None),
            number,
        });
        *last.next.lock().unwrap() = Some(link);
        last = link;
    }
    *last.next.lock().unwrap() = Some(first);
    first
}

#[inline(never)]
fn walk(from: Gc<Link>) -> usize {
    let (mut at, mut sum) = (from, 0);
    loop {
        sum += at.number;
        let next = at.next.lock().unwrap().unwrap();
        at = next;
        if at.object == from.object {
            return sum;
        }
    }
}

#[inline(never)]
fn circles() {
    let list: Vec<Gc<Link>> = (0..COUNT / 100).map(|_| circle(100)).collect();
    collect();
    assert_eq!(collected(), 0);
    assert!(list.iter().all(|&first| walk(first) == 4950));
    drop(list);
    collect();
    assert!(collected() > COUNT * 8 / 10);
    println!("circles: {} objects kept, and collected", COUNT);
}

/// Threads whose stacks hold objects that go from one to the other.
fn threads() {
    let (send, receive) = mpsc::channel::<Gc<Word>>();
    let senders: Vec<_> = (0..4)
        .map(|t| {
            let send = send.clone();
            thread::spawn(move || {
                let mut own = BTreeMap::new();
                for i in 0..1000 {
                    let number = t * 1000 + i;
                    let text = number.to_string().into_boxed_str();
                    own.insert(number, Gc::new(Word { number, text }));
                    send.send(own[&number]).unwrap();
                    if i % 250 == 0 {
                        unsafe { ffi::kgc_collect() }
                    }
                }
                own.values().map(|word| word.number).sum::<usize>()
            })
        })
        .collect();
    drop(send);
    let mut sum = 0;
    for word in receive {
        assert_eq!(word.text.parse(), Ok(word.number));
        sum += word.number;
    }
    let theirs: usize = senders
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    assert_eq!((sum, theirs), (4000 * 3999 / 2, 4000 * 3999 / 2));
    println!("threads: 4 sent 4000 objects");
}

#[repr(align(4096))]
struct Page([u8; 4096]);

/// Whatever alignment and size: it is the rooted heap's.
fn layouts() {
    let usable = |p: *const u8| unsafe { ffi::kgc_malloc_usable_size(p.cast()) };
    let page = Box::new(Page([7; 4096]));
    assert_eq!(&*page as *const Page as usize % 4096, 0);
    assert!(usable(page.0.as_ptr()) >= 4096 && page.0.iter().all(|&b| b == 7));
    let mut v = Vec::new();
    for i in 0..1_000_000u32 {
        v.push(i);
    }
    assert!(usable(v.as_ptr().cast()) >= 4_000_000);
    v.truncate(10);
    v.shrink_to_fit();
    assert_eq!(v, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(usable(v.as_ptr().cast()) < 1000);
    assert!(vec![0u8; 3_000_000].iter().all(|&b| b == 0));
    assert!(v.try_reserve(usize::MAX / 8).is_err());
    println!("layouts: aligned, grown, shrunk, zeroed and refused");
}

fn main() {
    boxes();
    collected();
    circles();
    threads();
    layouts();
}
