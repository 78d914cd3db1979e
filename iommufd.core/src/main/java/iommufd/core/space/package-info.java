/**
 * The IO address space: areas, the pages behind them, pins and who pays, and the page tables that follow.
 *
 * <p>{@link iommufd.core.space.IovaSpace} is the whole of it to others. It places areas ({@link iommufd.core.space.Area},
 * {@link iommufd.core.space.AreaIndex}) where {@link iommufd.core.space.IovaLayout} lets it ({@link iommufd.core.space.Mappings}), over pages
 * that copies share ({@link iommufd.core.space.SharedPages}, {@link iommufd.core.space.PagePins}), and shows them in page tables ({@link iommufd.core.space.FollowingDomains}).
 *
 * <p><b>Lock order</b>, outer first; DMA takes none of them:
 * <ol>
 *   <li>an access's own lock ({@link iommufd.core.space.SpaceAccess}), never held while a client is notified;</li>
 *   <li>{@link iommufd.core.space.Mappings#domainsLock}: changes of areas and of page tables, one at a time per space;</li>
 *   <li>{@link iommufd.core.space.Mappings#iovaLock}: the index of areas and the layout; writers hold the domains lock too,
 *       so that who holds that one may read without this;</li>
 *   <li>the lock of a {@link iommufd.core.space.SharedPages}: its holders, runs and areas. Memory is pinned under it.</li>
 * </ol>
 * Nobody holds two locks of one rank, except {@link iommufd.core.space.IovaSpace#recharge}, which takes the spaces' locks in
 * the order its caller gives. Clients of accesses are called without any.
 */
package iommufd.core.space;
