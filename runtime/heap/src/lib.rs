//! The heap of the whole program: dlmalloc, which begins in memory that the program has already.
//!
//! A run needs some ten kilobytes. A C library's own allocator asks the kernel for its first pages, one call and one fault
//! after the other, and musl's asks again for nearly every size; that would be a third of what the start costs. Here the first
//! part is the program's own. musl's
//! allocator would also make the compiler of plugins several times as slow. docs/performance.md has the figures.

#[cfg(all(any(test, target_env = "musl"), target_arch = "x86_64"))]
mod memmove;

use dlmalloc::{Allocator, Dlmalloc};
use std::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    mem, ptr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicPtr, Ordering},
    },
};

/// What a run takes without a `.wasm` to compile, in bytes, and some more.
const ARENA: usize = 256 << 10;

/// What is asked of the kernel at a time when that is used up, in bytes. Only what is touched of it becomes memory.
const PIECE: usize = 1 << 20;

/// In dlmalloc: an allocation of so many bytes and more is a mapping by itself, and no piece that others come out of.
const OWN_MAPPING: usize = 256 << 10;

/// In dlmalloc's terms: memory that is never given back to the kernel.
const NOT_FROM_THE_KERNEL: u32 = 1;

/// Where the kernel keeps memory, in bytes.
const PAGE: usize = 4 << 10;

/// For `#[global_allocator]`.
pub struct Heap(Mutex<Dlmalloc<Source>>);

impl Heap {
    /// The heap, of which there can be one.
    #[expect(clippy::new_without_default, reason = "a default is not const")]
    pub const fn new() -> Self {
        Self(Mutex::new(Dlmalloc::new_with_allocator(Source)))
    }

    fn lock(&self) -> MutexGuard<'_, Dlmalloc<Source>> {
        // Nothing in there panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// SAFETY: dlmalloc keeps the contract, under a lock that allocates nothing.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        found(unsafe { self.lock().malloc(layout.size(), layout.align()) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        found(unsafe { self.lock().calloc(layout.size(), layout.align()) }, layout.size())
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { self.lock().free(memory, layout.size(), layout.align()) };
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's.
        found(unsafe { self.lock().realloc(memory, layout.size(), layout.align(), size) }, size)
    }
}

/// What is done where there is no memory: a `fn(usize) -> !`, or null.
static AT_AN_END: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// From now on this is called where there is no memory for so many bytes, rather than that the program aborts. It must not
/// allocate.
pub fn at_an_end(then: fn(usize) -> !) {
    AT_AN_END.store(then as *mut (), Ordering::Relaxed);
}

/// Whether the end of memory is this heap's to tell.
pub fn is_in_charge() -> bool {
    !AT_AN_END.load(Ordering::Relaxed).is_null()
}

/// What was allocated, if it was. The lock is free again.
fn found(memory: *mut u8, size: usize) -> *mut u8 {
    let then = AT_AN_END.load(Ordering::Relaxed);
    if memory.is_null() && !then.is_null() {
        // SAFETY: only `at_an_end` stores anything there.
        unsafe { mem::transmute::<*mut (), fn(usize) -> !>(then)(size) }
    }
    memory
}

/// The program's own memory that the heap begins in.
#[repr(C, align(4096))]
struct Arena(UnsafeCell<[u8; ARENA]>);

// SAFETY: the heap has it, once, and uses it under its lock.
unsafe impl Sync for Arena {}

static FIRST: Arena = Arena(UnsafeCell::new([0; ARENA]));

/// madvise(2), from Linux 5.14.
const MADV_POPULATE_WRITE: libc::c_int = 23;

/// Has the kernel make so many bytes ready of what the heap begins in, with one call rather than a fault for each page. Where it
/// cannot, they come with the faults.
pub fn touch(bytes: usize) {
    // SAFETY: the memory is the program's own, and none of its contents change.
    unsafe { libc::madvise(FIRST.0.get().cast(), bytes.min(ARENA), MADV_POPULATE_WRITE) };
}

/// Where the heap has its memory from.
struct Source;

// SAFETY: the first piece is the arena, which is handed out once; the others are new mappings of the kernel's.
unsafe impl Allocator for Source {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        static IS_USED: AtomicBool = AtomicBool::new(false);
        if size <= ARENA && !IS_USED.swap(true, Ordering::Relaxed) {
            return (FIRST.0.get().cast(), ARENA, NOT_FROM_THE_KERNEL);
        }
        // Where there is no room for as much, for what is needed.
        let pieces = if size < OWN_MAPPING { [PIECE, size.next_multiple_of(PAGE)] } else { [size, 0] };
        for size in pieces.into_iter().filter(|size| *size > 0) {
            // SAFETY: a new mapping, which nobody else has.
            let new = unsafe {
                let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
                libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0)
            };
            if new != libc::MAP_FAILED {
                return (new.cast(), size, 0);
            }
        }
        (ptr::null_mut(), 0, 0)
    }

    fn remap(&self, memory: *mut u8, old: usize, new: usize, can_move: bool) -> *mut u8 {
        let flags = if can_move { libc::MREMAP_MAYMOVE } else { 0 };
        // SAFETY: dlmalloc's: the memory is a mapping of this size.
        let moved = unsafe { libc::mremap(memory.cast(), old, new, flags) };
        if moved == libc::MAP_FAILED { ptr::null_mut() } else { moved.cast() }
    }

    fn free_part(&self, memory: *mut u8, old: usize, new: usize) -> bool {
        // SAFETY: dlmalloc's: the memory is a mapping of this size, and nothing uses its end.
        unsafe { libc::munmap(memory.add(new).cast(), old - new) == 0 }
    }

    fn free(&self, memory: *mut u8, size: usize) -> bool {
        // SAFETY: dlmalloc's: the memory is a mapping of this size, and nothing uses it.
        unsafe { libc::munmap(memory.cast(), size) == 0 }
    }

    fn can_release_part(&self, flags: u32) -> bool {
        flags & NOT_FROM_THE_KERNEL == 0
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}
