use std::path::Path;

use crate::error::OpenError;

/// Refuses a folder on a network file system: the write-ahead log needs memory that all its users share.
#[cfg(target_os = "linux")]
pub(super) fn check(path: &Path) -> Result<(), OpenError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let Ok(found) = rustix::fs::statfs(folder) else {
        // Opening the file fails too, and says why.
        return Ok(());
    };
    // Its type differs between processors; the low 32 bits count.
    let magic = found.f_type & 0xffff_ffff;
    // <linux/magic.h>
    let kind = match magic {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x00c3_6400 => "Ceph",
        0x5346_414f => "AFS",
        _ => return Ok(()),
    };
    Err(OpenError::NetworkFileSystem {
        path: path.to_owned(),
        kind,
    })
}

/// On other systems the file system is not recognised here, and only SQLite itself refuses it.
#[cfg(not(target_os = "linux"))]
pub(super) fn check(_: &Path) -> Result<(), OpenError> {
    Ok(())
}
